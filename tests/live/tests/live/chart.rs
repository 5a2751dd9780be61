//! The host in the cluster, as the chart installs it: two replicas on PostgreSQL, and the journey within.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::database::Database;
use asgard_journey::host::LIGHT;
use asgard_journey::s3::S3;
use asgard_journey::steps::{Journey, Source};
use asgard_live::bindings;
use asgard_live::forward;
use asgard_live::helm::Helm;
use asgard_live::images::Image;
use asgard_live::nessie::Nessie;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::models::in_pods;
use crate::world::{World, test, until};

/// Two hosts compile all plugins, on a machine that runs a cluster beside them.
const INSTALLED_WITHIN: &str = "600s";

/// Training, a build that unpacks a gigabyte, and a rollout, on a busy machine.
const STEP_WITHIN: Duration = Duration::from_secs(1200);

/// Where the hosts are.
const NAMESPACE: &str = "asgard";
/// Where scripts, builds and models are.
const MODELS: &str = "journey";

const TOKEN: &str = "asgard-live-token-of-all-rights";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "the_chart_installs_two_hosts_and_the_journey_runs_inside_the_cluster", installs)]
}

fn installs(world: &World) {
    let kubernetes = world.kubernetes();
    let database = Database::start(&world.folder("chart-database")).unwrap();
    kubernetes.namespace(NAMESPACE).unwrap();
    secrets(world, &database);
    let helm = Helm::on(kubernetes, &world.folder("helm")).unwrap();
    // As the test runs: what was built in one clone may run in another.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("run the tests with `cargo xtask test`");
    let chart = Path::new(&package).join("../../deploy/chart").to_string_lossy().into_owned();
    let values = world.folder("helm").join("values.json");
    let install = |values_given: &Value| {
        std::fs::write(&values, values_given.to_string()).unwrap();
        let values = values.to_string_lossy();
        let arguments = ["upgrade", "--install", "asgard", &chart, "--namespace", NAMESPACE, "--values", &values];
        helm.run(&[&arguments[..], &["--wait", "--timeout", INSTALLED_WITHIN]].concat()).unwrap()
    };
    let mut wrong = values_of(world);
    wrong["replicas"] = json!("many");
    let refused = install(&wrong);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("replicas"), "{told}");

    let bindings = in_pods(kubernetes, world.tracker().url(), MODELS, &json!({}));
    let installed = install(&values_of(world));
    let events = || kubernetes.kubectl(&["-n", NAMESPACE, "get", "pods,events", "-o", "wide"]).unwrap_or_default();
    assert!(installed.status.success(), "{}\n{}", String::from_utf8_lossy(&installed.stderr), events());
    let policy = format!("/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies/asgard");
    assert!(kubernetes.find(&policy).unwrap().is_some());
    has_only_the_rights_of_its_bindings(world);

    let url = until("the load balancer has an address", Duration::from_secs(60), || {
        let service = kubernetes.find(&format!("/api/v1/namespaces/{NAMESPACE}/services/asgard")).unwrap()?;
        let address = service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str()?.to_owned();
        Some(format!("http://{address}:8000"))
    });
    assert_eq!(Client::new(&url).send("GET", "/environments", None, &[]).unwrap().status, 401);
    let client = Client::new(&url).with_token(TOKEN);
    let applied = client.send("PUT", "/environments/production", Some(&production(world, bindings)), &[]).unwrap();
    assert!(applied.status < 300, "{}", applied.body);

    let source = world.source().source();
    let port = forward::at(world.address(), source.port).unwrap();
    let source = Source { host: world.address().to_string(), port, ..source };
    let client = Client::new(format!("{url}/environments/production")).with_token(TOKEN);
    let mut journey = Journey::new(&client, &|line| println!("{line}"))
        .with_steps_within(STEP_WITHIN)
        .to_sink(bindings::sink(world.s3()));
    journey.ingest(&source).unwrap();
    // What one of the hosts was told, all know: each pod may end at any time.
    kubernetes.kubectl(&["-n", NAMESPACE, "delete", "pod", &first_pod(world), "--wait=false"]).unwrap();
    let figures = journey.from_silver().unwrap();
    let differences: Vec<String> = figures.differences();
    // How long a prediction takes is no matter of two cores that run all of this.
    let off: Vec<&String> = differences.iter().filter(|off| !off.starts_with("prediction_ms")).collect();
    assert!(off.is_empty(), "{off:?}");
    let removed = helm.run(&["uninstall", "asgard", "--namespace", NAMESPACE, "--wait"]).unwrap();
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
}

fn first_pod(world: &World) -> String {
    let labels = "app.kubernetes.io/instance=asgard";
    let path = "jsonpath={.items[0].metadata.name}";
    world.kubernetes().kubectl(&["-n", NAMESPACE, "get", "pods", "-l", labels, "-o", path]).unwrap()
}

fn secrets(world: &World, database: &Database) {
    let url = database.url();
    let port = url.rsplit_once(':').and_then(|(_, end)| end.split('/').next()?.parse().ok()).unwrap();
    let outside = forward::at(world.address(), port).unwrap();
    let url = url.replace(&format!("127.0.0.1:{port}"), &format!("{}:{outside}", world.address()));
    let keys = format!("{}:{}", S3::ACCESS_KEY, S3::SECRET_KEY);
    // Thirty-two bytes in Base64, as `asgard secret key` makes them.
    let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    for (name, entry, value) in [
        ("asgard-database", "url", url.as_str()),
        ("asgard-secret-key", "key", key),
        ("asgard-token", "token", TOKEN),
        ("lake", "keys", &keys),
    ] {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {entry: value},
            "metadata": {"name": name, "namespace": NAMESPACE}});
        world.kubernetes().apply(&secret.to_string()).unwrap();
    }
}

fn values_of(world: &World) -> Value {
    let image = Image::Asgard.push(world.kubernetes().registry()).unwrap();
    let (repository, tag) = image.rsplit_once(':').unwrap();
    let plugin = json!({"enabled": true, "namespaces": [MODELS]});
    json!({
        "image": {"repository": repository, "tag": tag},
        "token": {"existingSecret": "asgard-token"},
        "firstEnvironment": LIGHT,
        "service": {"type": "LoadBalancer"},
        "rbac": {
            "plugins": {"mlflow": plugin, "kaniko": plugin, "kubernetes": plugin},
            "secrets": [{"namespace": NAMESPACE, "names": ["lake"]}],
        },
        "networkPolicy": {"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "4Gi"}},
    })
}

/// As `deploy/environments/production.toml`, with the embedded engines for the tables.
fn production(world: &World, bindings: Value) -> Value {
    let address = world.address();
    let mut document = json!({
        "name": "production",
        "lakehouse": {
            "catalog": {"type": "rest", "uri": world.nessie().iceberg(), "warehouse": Nessie::WAREHOUSE},
            "storage": Nessie::storage(),
            "s3": {"endpoint": world.s3().endpoint(), "region": "us-east-1", "secret": "lake"},
        },
        "kubernetes": {"type": "in_cluster"},
        "secrets": {"lake": {"from": "kubernetes", "namespace": NAMESPACE, "name": "lake", "key": "keys"}},
        "ingestion": [{"plugin": "postgres", "grants": {"sockets": [format!("{address}:*")], "reveal_secrets": true}}],
        "silver": {"plugin": "sql", "grants": {"lakehouse": {"read": ["bronze", "silver", "gold"], "write": ["silver"]}}},
        "gold": {"plugin": "sql", "grants": {"lakehouse": {"read": ["bronze", "silver", "gold"], "write": ["gold"]}}},
        "features": {"plugin": "iceberg-features", "grants":
            {"lakehouse": {"read": ["silver", "gold"]}, "objects": true, "key_value": true}},
    });
    for (role, binding) in bindings.as_object().into_iter().flatten() {
        document[role.as_str()] = binding.clone();
    }
    document
}

/// The account of the hosts may do what the bindings need where they need it, and nothing else anywhere.
fn has_only_the_rights_of_its_bindings(world: &World) {
    let account = format!("system:serviceaccount:{NAMESPACE}:asgard");
    let may = |verb: &str, what: &str, namespace: &str| {
        let asked = ["auth", "can-i", verb, what, "-n", namespace, "--as", &account];
        // It ends with an error for `no`.
        world.kubernetes().kubectl(&asked).is_ok_and(|answer| answer.trim() == "yes")
    };
    for (verb, what) in [
        ("create", "jobs"),
        ("list", "jobs"),
        ("patch", "deployments"),
        ("list", "deployments"),
        ("delete", "services"),
        ("get", "pods/log"),
    ] {
        assert!(may(verb, what, MODELS), "{verb} {what}");
        assert!(!may(verb, what, NAMESPACE), "{verb} {what} where it lives itself");
    }
    for (verb, what) in [("get", "secrets"), ("list", "secrets"), ("create", "pods"), ("create", "pods/exec")] {
        assert!(!may(verb, what, MODELS), "{verb} {what}");
    }
    assert!(may("get", "secrets/lake", NAMESPACE) && !may("get", "secrets/asgard-secret-key", NAMESPACE));
    assert!(!may("get", "nodes", NAMESPACE) && !may("create", "rolebindings", NAMESPACE));
}
