//! The Job of a build: its pod, its arguments and what belongs to it.

use asgard_sdk::{Error, Result};
use asgard_workloads::job::Plan;
use asgard_workloads::names;
use asgard_workloads::options::literal;
use asgard_workloads::parcel::Parcel;
use asgard_workloads::storage::Place;
use serde_json::{Map, Value, json};

use crate::configuration::Configuration;
use crate::login::Source;

/// The builder's container.
pub const CONTAINER: &str = "builder";

/// Joins the context's parts.
const COPY: &str = "context";

const DOCKER: &str = "/asgard/docker";
const CERTIFICATES: &str = "/asgard/certificates";

/// Room for the deadline that the plugin itself does not watch: the pod's start, and the copy.
const MARGIN_SECONDS: u64 = 60;

/// What a build is made of.
pub struct Build<'a> {
    /// Of the Job, and the beginning of the names of what belongs to it.
    pub name: &'a str,
    pub deployment: &'a str,
    pub model: &'a str,
    /// `registry/repository:tag`.
    pub destination: &'a str,
    /// The compressed archive.
    pub context: &'a [u8],
    pub place: &'a Place,
    pub login: &'a Source,
}

/// A model's repository in the registry.
///
/// # Errors
/// `invalid-input` for a name that no registry takes.
pub fn repository(configuration: &Configuration, model: &str) -> Result<String> {
    let name = configuration.repository.replace("{model}", &model.to_ascii_lowercase());
    let good = !name.is_empty()
        && name.split('/').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.ends_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
        });
    if good {
        return Ok(name);
    }
    Err(Error::invalid(
        "configuration.repository",
        format!(
            "`{name}` is no repository: expected lower-case letters, digits, `.`, `_`, `-` and `/`, such as `models/{{model}}`"
        ),
    ))
}

/// The tag of a version, for people: deployments of one version have tags of their own.
pub fn tag(version: &str, deployment: &str) -> String {
    let deployment: String = deployment.chars().filter(char::is_ascii_alphanumeric).collect();
    // The last digits: deployments of one moment start alike.
    let short = deployment.get(deployment.len().saturating_sub(12)..).unwrap_or_default();
    let version: String = version
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .take(100)
        .collect();
    format!("v{version}-{short}")
}

/// What to run.
///
/// # Errors
/// `unsupported` for a context that does not fit through the cluster.
pub fn plan(build: &Build, configuration: &Configuration) -> Result<Plan> {
    let labels = json!({
        "app.kubernetes.io/managed-by": "asgard",
        "app.kubernetes.io/component": "build",
        "asgard.dev/model": names::label(build.model),
        "asgard.dev/deployment": names::label(build.deployment),
    });
    let mut volumes = Vec::new();
    let mut mounts = Vec::new();
    let mut belongings = Vec::new();
    let mut pod = Map::new();
    let mut environment = configuration.storage.environment();
    let mut environment_from = Vec::new();

    let context = match build.place {
        Place::Bucket { url } => {
            let secrets = configuration.storage.secrets();
            if !secrets.is_empty() {
                let name = format!("{}-storage", build.name);
                environment_from.push(json!({ "secretRef": { "name": name } }));
                let data: Map<String, Value> = secrets.into_iter().map(|(name, value)| (name, json!(value))).collect();
                belongings.push(secret(&name, configuration, &labels, "Opaque", &json!({ "stringData": data })));
            }
            url.clone()
        }
        Place::Host => {
            let parcel = Parcel::new(build.name, build.context, "the build context")?;
            belongings.extend(parcel.manifests(&configuration.namespace, &labels));
            volumes.push(parcel.volume("parts"));
            volumes.push(json!({ "name": "context", "emptyDir": {} }));
            mounts.push(json!({ "name": "context", "mountPath": "/asgard/context", "readOnly": true }));
            pod.insert("initContainers".to_owned(), json!([copy(configuration)]));
            "tar:///asgard/context/context.tar.gz".to_owned()
        }
    };
    let login = match build.login {
        Source::None => None,
        Source::Existing(name) => Some(name.clone()),
        Source::Made(data) => {
            let name = format!("{}-login", build.name);
            belongings.push(secret(&name, configuration, &labels, "kubernetes.io/dockerconfigjson", data));
            Some(name)
        }
    };
    if let Some(name) = login {
        let items = json!([{ "key": ".dockerconfigjson", "path": "config.json" }]);
        volumes.push(json!({ "name": "docker", "secret": { "secretName": name, "items": items } }));
        mounts.push(json!({ "name": "docker", "mountPath": DOCKER, "readOnly": true }));
        environment.push(json!({ "name": "DOCKER_CONFIG", "value": DOCKER }));
    }
    if let Some(certificates) = &configuration.certificates {
        let items = json!([{ "key": certificates.key, "path": "ca.crt" }]);
        volumes
            .push(json!({ "name": "certificates", "configMap": { "name": certificates.config_map, "items": items } }));
        mounts.push(json!({ "name": "certificates", "mountPath": CERTIFICATES, "readOnly": true }));
        // Beside those of the builder's image.
        environment.push(json!({ "name": "SSL_CERT_DIR", "value": format!("/kaniko/ssl/certs:{CERTIFICATES}") }));
    }
    for (name, value) in configuration.proxy.variables() {
        environment.push(json!({ "name": name, "value": value }));
    }
    let resources = json!({ "requests": { "cpu": "500m", "memory": "1Gi" }, "limits": { "memory": "4Gi" } });
    pod.insert(
        "containers".to_owned(),
        json!([{
            "name": CONTAINER,
            "image": configuration.image,
            "args": arguments(&context, build, configuration),
            "env": environment,
            "envFrom": environment_from,
            "resources": configuration.pod.resources_or(resources),
            "volumeMounts": mounts,
        }]),
    );
    pod.insert("volumes".to_owned(), json!(volumes));
    configuration.pod.add_to(&mut pod);
    Ok(Plan {
        metadata: configuration.pod.metadata(&[
            ("app.kubernetes.io/managed-by", "asgard".to_owned()),
            ("app.kubernetes.io/component", "build".to_owned()),
            ("asgard.dev/deployment", names::label(build.deployment)),
        ]),
        labels,
        pod,
        deadline_seconds: configuration.timeout_seconds + configuration.start_timeout_seconds + MARGIN_SECONDS,
        belongings,
    })
}

fn secret(name: &str, configuration: &Configuration, labels: &Value, of: &str, data: &Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": configuration.namespace, "labels": labels },
        "type": of,
    });
    manifest["stringData"] = data["stringData"].clone();
    manifest
}

fn copy(configuration: &Configuration) -> Value {
    json!({
        "name": COPY,
        "image": configuration.copy_image,
        "command": ["sh", "-c", "cat /asgard/parts/part-* > /asgard/context/context.tar.gz"],
        "securityContext": asgard_workloads::options::confined(),
        "resources": { "requests": { "cpu": "50m", "memory": "32Mi" } },
        "volumeMounts": [
            { "name": "parts", "mountPath": "/asgard/parts", "readOnly": true },
            { "name": "context", "mountPath": "/asgard/context" },
        ],
    })
}

fn arguments(context: &str, build: &Build, configuration: &Configuration) -> Vec<String> {
    let mut arguments = vec![
        format!("--context={context}"),
        "--dockerfile=Dockerfile".to_owned(),
        format!("--destination={}", build.destination),
        // The digest is then in the pod's status.
        "--digest-file=/dev/termination-log".to_owned(),
        "--push-retry=3".to_owned(),
        "--image-download-retry=3".to_owned(),
        format!("--label=org.opencontainers.image.title={}", build.model),
        format!("--label=dev.asgard.deployment={}", build.deployment),
    ];
    match &configuration.cache {
        None => arguments.push("--cache=false".to_owned()),
        Some(cache) => {
            arguments.push("--cache=true".to_owned());
            arguments.push(format!("--cache-ttl={}h", cache.hours));
            // Layers of packages are large: compressing them in memory has ended many a build.
            arguments.push("--compressed-caching=false".to_owned());
            // The model is new each time.
            arguments.push("--cache-copy-layers=false".to_owned());
            if let Some(repository) = &cache.repository {
                arguments.push(format!("--cache-repo={}/{repository}", configuration.registry));
            }
        }
    }
    let mut flag = |set: bool, flags: &[&str]| {
        if set {
            arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        }
    };
    flag(configuration.insecure, &["--insecure", "--insecure-pull"]);
    flag(configuration.skip_tls_verify, &["--skip-tls-verify", "--skip-tls-verify-pull"]);
    if let Some(platform) = &configuration.platform {
        arguments.push(format!("--custom-platform={platform}"));
    }
    if configuration.certificates.is_some() {
        arguments.push(format!("--build-arg=PIP_CERT={CERTIFICATES}/ca.crt"));
    }
    for (name, value) in configuration.proxy.variables() {
        arguments.push(format!("--build-arg={name}={value}"));
    }
    for (name, value) in &configuration.build_arguments {
        arguments.push(format!("--build-arg={name}={value}"));
    }
    if !configuration.arguments.iter().any(|argument| argument.starts_with("--snapshot-mode")) {
        // By times and sizes. Reading every file of the base image to see what `pip` changed takes minutes, and finds the same.
        arguments.push("--snapshot-mode=redo".to_owned());
    }
    arguments.extend(configuration.arguments.iter().cloned());
    arguments.iter().map(|argument| literal(argument)).collect()
}
