//! The cluster itself: what all tests on it count on.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use asgard_live::kubernetes::{Home, Kubernetes};
use asgard_live::network::Network;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, test};

/// The first pod of a run fetches its image.
const POD_WITHIN: Duration = Duration::from_secs(120);

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_pod_finds_names_and_this_machine_and_its_log_can_be_read", reaches),
        test(world, "a_load_balancer_answers_outside_and_inside", balanced),
        test(world, "a_pod_that_fails_says_how", fails),
        test(world, "a_second_node_runs_beside_the_first_and_leaves_nothing_behind", leaves_nothing),
    ]
}

fn reaches(world: &World) {
    let (kubernetes, store) = (world.kubernetes(), world.s3().endpoint());
    kubernetes.namespace("reaches").unwrap();
    // The store answers anybody with an error of its own, in XML.
    let script = format!(
        "echo one; nslookup -type=a kubernetes.default.svc.cluster.local; wget -O- {store}/lake 2>&1; echo last"
    );
    let log = run(kubernetes, "reaches", "talker", &script, "Succeeded");
    assert!(log.starts_with("one\n") && log.ends_with("last\n"), "{log}");
    assert!(log.contains("Address: 10.96.0.1"), "{log}");
    assert!(log.contains("403") || log.contains("<?xml"), "{log}");
}

fn balanced(world: &World) {
    let kubernetes = world.kubernetes();
    kubernetes.namespace("balanced").unwrap();
    let labels = json!({"app": "pages"});
    let serve = "mkdir /www && hostname > /www/index.html && exec httpd -f -p 8000 -h /www";
    let container = json!({"name": "pages", "image": kubernetes.busybox(), "command": ["sh", "-c", serve],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}});
    apply(
        kubernetes,
        &json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "pages", "namespace": "balanced"},
            "spec": {
                "replicas": 2, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }),
    );
    apply(
        kubernetes,
        &json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "pages", "namespace": "balanced"},
            "spec": {"type": "LoadBalancer", "selector": labels, "ports": [{"port": 80, "targetPort": 8000}]},
        }),
    );
    kubernetes.kubectl(&["-n", "balanced", "rollout", "status", "deployment/pages", "--timeout=120s"]).unwrap();
    let service = "/api/v1/namespaces/balanced/services/pages";
    let address: Ipv4Addr = kubernetes
        .wait("an address", POD_WITHIN, || {
            let service = kubernetes.find(service)?.unwrap_or_default();
            Ok(service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().map(|address| address.parse().unwrap()))
        })
        .unwrap();
    let outside = kubernetes
        .wait("a page", POD_WITHIN, || {
            let page = ureq::get(format!("http://{address}/")).call();
            Ok(page.ok().and_then(|mut page| page.body_mut().read_to_string().ok()))
        })
        .unwrap();
    assert!(outside.starts_with("pages-"), "{outside}");

    let inside = run(
        kubernetes,
        "balanced",
        "visitor",
        &format!("wget -qO- http://pages && wget -qO- http://{address}"),
        "Succeeded",
    );
    assert_eq!(inside.lines().filter(|line| line.starts_with("pages-")).count(), 2, "{inside}");
}

fn fails(world: &World) {
    let kubernetes = world.kubernetes();
    kubernetes.namespace("fails").unwrap();
    let log = run(kubernetes, "fails", "broken", "echo no such order >&2; exit 3", "Failed");
    assert_eq!(log, "no such order\n");
    let pod = kubernetes.find("/api/v1/namespaces/fails/pods/broken").unwrap().unwrap();
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 3);
}

fn leaves_nothing(world: &World) {
    let folder = world.folder("second");
    let network = Network::take().unwrap();
    let machine = network.machine();
    assert_ne!(machine, world.kubernetes().address());
    let kubernetes = Kubernetes::start(&Home::from_environment().unwrap(), &network, &folder).unwrap();
    let settings = || std::fs::read_to_string("/proc/sys/kernel/panic").unwrap();
    let before = settings();
    // One that is running when its node ends.
    apply(&kubernetes, &pod(&kubernetes, "default", "sleeper", "echo awake; sleep 3600"));
    kubernetes.kubectl(&["wait", "--for=condition=Ready", "pod/sleeper", "--timeout=120s"]).unwrap();
    assert!(mentions("/proc/self/mounts", &folder).is_empty(), "mounts are the node's own");
    assert!(!processes(&folder).is_empty());
    let containers = names(&folder.join("containerd/state/io.containerd.runtime.v2.task/k8s.io"));
    // The pod's own and that of its namespaces.
    assert_eq!(containers.len(), 2);
    drop(kubernetes);
    drop(network);
    for hierarchy in names(Path::new("/sys/fs/cgroup")) {
        let groups = names(&Path::new("/sys/fs/cgroup").join(hierarchy).join("k8s.io"));
        assert!(!groups.iter().any(|group| containers.contains(group)), "{groups:?}");
    }
    assert_eq!(processes(&folder), Vec::<String>::new());
    assert_eq!(settings(), before);
    let addresses = std::process::Command::new("ip").args(["address"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&addresses.stdout).contains(&machine.to_string()));
    // A mount that was left would refuse it.
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Runs a script in a pod until it ends as `phase`; answers with its log.
fn run(kubernetes: &Kubernetes, namespace: &str, name: &str, script: &str, phase: &str) -> String {
    apply(kubernetes, &pod(kubernetes, namespace, name, script));
    let (ended, log) = kubernetes.ended(namespace, name, POD_WITHIN).unwrap();
    assert_eq!(ended, phase, "{log}");
    log
}

fn pod(kubernetes: &Kubernetes, namespace: &str, name: &str, script: &str) -> Value {
    let container = json!({"name": "shell", "image": kubernetes.busybox(), "command": ["sh", "-c", script]});
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]},
    })
}

fn apply(kubernetes: &Kubernetes, manifest: &Value) {
    kubernetes.apply(&manifest.to_string()).unwrap();
}

/// Lines of a file that name a folder.
fn mentions(file: &str, folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter(|line| line.contains(&*folder.to_string_lossy())).map(str::to_owned).collect()
}

/// Command lines of running processes that name a folder.
fn processes(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.flat_map(|entry| mentions(&entry.path().join("cmdline").to_string_lossy(), folder)).collect()
}

/// What is in a folder, if there is one.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
