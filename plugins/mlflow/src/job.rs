//! The Job that runs a script in the environment's cluster: its pod, and what belongs to it.
//!
//! The script finds what it finds as a local process: its file in the working folder, its variables, its features. Variables
//! are in a Secret, the request's as bytes: a text there that looks like a reference to a secret stays a text, so nobody
//! reads the environment's secrets by asking for a variable.

use asgard_sdk::training::Request;
use asgard_sdk::{Error, Result};
use asgard_workloads::job::Plan;
use asgard_workloads::names;
use asgard_workloads::options::{as_user, confined, literal};
use asgard_workloads::parcel::Parcel;
use asgard_workloads::storage::Place;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::configuration::{Configuration, Kubernetes};
use crate::host::Host;
use crate::process::{self, REQUIREMENTS, RUNNER};

/// The script's container.
pub const CONTAINER: &str = "script";

/// What the runner leaves in the container's termination message once the script itself begins.
pub const STARTED: &str = "started";

const CODE: &str = "/asgard/code";
const PARTS: &str = "/asgard/features";
const WORK: &str = "/work";

/// A ConfigMap holds 1 MiB, the runner's files included.
const LONGEST_SCRIPT: usize = 900 << 10;

/// For the cluster to end what the plugin should have ended, had its host been there.
const MARGIN_SECONDS: u64 = 60;

/// The Job's name.
pub fn name(deployment: &str) -> String {
    names::name("train", deployment)
}

/// What to run.
///
/// # Errors
/// `invalid-input` for a script or features that do not fit through the cluster; those of the storage.
pub fn plan(host: &dyn Host, request: &Request, configuration: &Configuration) -> Result<Plan> {
    let cluster = configuration.kubernetes()?;
    if request.script.len() > LONGEST_SCRIPT {
        let message =
            format!("the script has {} KiB: expected at most {}", request.script.len() >> 10, LONGEST_SCRIPT >> 10);
        return Err(Error::invalid("script_content", message));
    }
    let name = name(&request.deployment_id);
    let labels = json!({
        "app.kubernetes.io/managed-by": "asgard",
        "app.kubernetes.io/component": "training",
        "asgard.dev/model": names::label(&request.model_name),
        "asgard.dev/deployment": names::label(&request.deployment_id),
    });
    let code = format!("{name}-code");
    let environment = format!("{name}-environment");
    let mut volumes = vec![
        json!({ "name": "code", "configMap": { "name": code } }),
        json!({ "name": "work", "emptyDir": {} }),
        json!({ "name": "tmp", "emptyDir": {} }),
    ];
    let mut mounts = vec![
        json!({ "name": "work", "mountPath": WORK }),
        json!({ "name": "tmp", "mountPath": "/tmp" }),
        json!({ "name": "code", "mountPath": CODE, "readOnly": true }),
        // One file by its path, so that it is no link: the script is where it would be as a local process.
        json!({ "name": "code", "mountPath": format!("{WORK}/{}", request.script_name), "subPath": "script", "readOnly": true }),
    ];
    let mut belongings = vec![json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": code, "namespace": cluster.namespace, "labels": labels },
        "data": { "runner.py": RUNNER, "requirements.py": REQUIREMENTS, "script": request.script },
    })];
    let mut own = vec![("ASGARD_STARTED".to_owned(), "/dev/termination-log".to_owned())];
    if let Some(key) = &request.features {
        match Place::of(&host.location(key)?)? {
            Place::Bucket { url } => own.push(("ASGARD_FEATURES_URL".to_owned(), url)),
            Place::Host => {
                let data = host.get_object(key)?;
                let parcel = Parcel::new(&name, &data, "the table of features")?;
                belongings.extend(parcel.manifests(&cluster.namespace, &labels));
                volumes.push(parcel.volume("features"));
                mounts.push(json!({ "name": "features", "mountPath": PARTS, "readOnly": true }));
                own.push(("ASGARD_FEATURES_PARTS".to_owned(), PARTS.to_owned()));
            }
        }
    }
    belongings.push(secret(host, request, configuration, cluster, &environment, &labels, own)?);

    let mut command = vec![literal(&cluster.python), format!("{CODE}/runner.py"), request.script_name.clone()];
    command.extend(request.requirements.iter().map(|line| literal(line.trim())));
    let resources = json!({ "requests": { "cpu": "500m", "memory": "1Gi" }, "limits": { "memory": "4Gi" } });
    let mut pod = Map::from_iter([
        (
            "containers".to_owned(),
            json!([{
                "name": CONTAINER,
                "image": cluster.image,
                "command": command,
                "workingDir": WORK,
                "envFrom": [{ "secretRef": { "name": environment } }],
                "resources": cluster.pod.resources_or(resources),
                "securityContext": confined(),
                "volumeMounts": mounts,
            }]),
        ),
        ("volumes".to_owned(), json!(volumes)),
        ("securityContext".to_owned(), as_user(cluster.user)),
        ("enableServiceLinks".to_owned(), json!(false)),
        ("terminationGracePeriodSeconds".to_owned(), json!(10)),
    ]);
    cluster.pod.add_to(&mut pod);
    Ok(Plan {
        metadata: cluster.pod.metadata(&[
            ("app.kubernetes.io/managed-by", "asgard".to_owned()),
            ("app.kubernetes.io/component", "training".to_owned()),
            ("asgard.dev/deployment", names::label(&request.deployment_id)),
        ]),
        labels,
        pod,
        deadline_seconds: request.timeout_ms.div_ceil(1000) + cluster.start_timeout_seconds + MARGIN_SECONDS,
        belongings,
    })
}

/// All variables of the script.
fn secret(
    host: &dyn Host,
    request: &Request,
    configuration: &Configuration,
    cluster: &Kubernetes,
    name: &str,
    labels: &Value,
    own: Vec<(String, String)>,
) -> Result<Value> {
    let tracking_uri = cluster.tracking_uri.as_ref().unwrap_or(&configuration.tracking_uri);
    // The image knows no user of this number: who asks for its name or its folder is told here.
    let user = ["USER", "LOGNAME"].map(|name| (name.to_owned(), "asgard".to_owned()));
    let mut data = Map::new();
    let home = ("HOME".to_owned(), "/tmp".to_owned());
    for (name, value) in
        user.into_iter().chain([home]).chain(process::environment(host, request, tracking_uri)?).chain(own)
    {
        data.insert(name, json!(STANDARD.encode(value)));
    }
    for variable in cluster.storage.environment() {
        let text = |field: &str| variable[field].as_str().unwrap_or_default().to_owned();
        data.insert(text("name"), json!(STANDARD.encode(text("value"))));
    }
    let mut references = Map::new();
    for (name, reference) in cluster
        .secrets
        .iter()
        .map(|(name, reference)| (name.clone(), reference.clone()))
        .chain(cluster.storage.secrets())
    {
        data.remove(&name);
        references.insert(name, json!(reference));
    }
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": cluster.namespace, "labels": labels },
        "type": "Opaque",
        "data": data,
        // The host puts the secrets in their places on the way to the cluster.
        "stringData": references,
    }))
}
