//! Resources of a cluster, against a stand-in API server: what is asked of it, and what a plugin sees of its answers. Real clusters are
//! in the live tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use asgard_capabilities::kubernetes::{Left, LogOptions, Missing, Reference, Resources, missing_access, sweep};
use asgard_contract::Error;
use asgard_contract::environment::KubernetesGrant;
use serde_json::{Value, json};

use crate::host::TestHost;
use crate::server::{Received, Server};

/// Resources by path, and the lines of all requests.
#[derive(Default)]
struct Cluster {
    resources: BTreeMap<String, Value>,
    asked: Vec<String>,
    version: u64,
}

impl Cluster {
    fn answer(&mut self, request: &Received) -> (u16, Value) {
        let line = request.line().to_owned();
        let mut parts = line.split(' ');
        let (method, target) = (parts.next().unwrap(), parts.next().unwrap().to_owned());
        assert_eq!(request.header("authorization"), Some("Bearer pencil"), "{line}");
        self.asked.push(format!("{method} {target}"));
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let missing =
            || (404, json!({"kind": "Status", "status": "Failure", "code": 404, "message": "it is not there"}));
        match (method, path) {
            ("GET", "/api/v1") => (200, kinds()),
            // The cluster's own rules let nobody list.
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") => {
                let mut review: Value = serde_json::from_slice(&request.body).unwrap();
                let allowed = review["spec"]["resourceAttributes"]["verb"] != "list";
                review["status"] = json!({"allowed": allowed});
                (201, review)
            }
            ("GET", path) if path.starts_with("/api/v1/namespaces/closed/") => {
                (403, json!({"kind": "Status", "status": "Failure", "code": 403, "message": "it is not allowed"}))
            }
            ("GET", path) if path.ends_with("/log") => {
                let body = json!({"status": "Failure", "code": 400, "message": "container \"c\" is waiting to start: ContainerCreating"});
                if path.contains("starting") { (400, body) } else { (200, json!("line 1\nline 2\n")) }
            }
            ("PATCH", path) => {
                assert!(query.contains("fieldManager=asgard-tester"), "{line}");
                let mut resource: Value = serde_json::from_slice(&request.body).unwrap();
                self.version += 1;
                resource["metadata"]["resourceVersion"] = json!(self.version.to_string());
                resource["metadata"]["uid"] = json!(format!("uid-{}", self.version));
                resource["metadata"]["managedFields"] = json!([{"manager": "asgard-tester"}]);
                self.resources.insert(path.to_owned(), resource.clone());
                (200, resource)
            }
            ("DELETE", path) => {
                assert!(request.body.windows(10).any(|part| part == b"Foreground"), "{line}");
                self.resources.remove(path).map_or_else(missing, |resource| (200, resource))
            }
            ("GET", path) if query.contains("watch=true") => {
                // The change that the watch is there for comes while it is open.
                let folder = format!("{path}/");
                for (_, resource) in self.resources.iter_mut().filter(|(at, _)| at.starts_with(&folder)) {
                    self.version += 1;
                    resource["metadata"]["resourceVersion"] = json!(self.version.to_string());
                }
                (200, json!(""))
            }
            ("GET", path) => match self.resources.get(path) {
                Some(resource) => (200, resource.clone()),
                None if ["pods", "secrets", "configmaps", "events"].iter().any(|kind| path.ends_with(kind)) => {
                    let folder = format!("{path}/");
                    let items: Vec<_> =
                        self.resources.iter().filter(|(at, _)| at.starts_with(&folder)).map(|(_, r)| r).collect();
                    (200, json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}))
                }
                None => missing(),
            },
            _ => (405, json!({"status": "Failure", "code": 405, "message": line})),
        }
    }
}

fn kinds() -> Value {
    let kind = |name: &str, kind: &str, namespaced: bool| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list", "patch", "delete", "watch"]});
    json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        kind("pods", "Pod", true), kind("secrets", "Secret", true), kind("configmaps", "ConfigMap", true),
        kind("events", "Event", true), kind("nodes", "Node", false),
    ]})
}

const GRANT: &str = r#"[{ namespaces = ["jobs"], kinds = ["v1/Pod", "v1/ConfigMap", "v1/Node", "v1/Other"],
    verbs = ["get", "list", "watch", "apply", "patch", "delete", "logs"] }]"#;

async fn lent(grant: &str) -> (Server, Arc<Mutex<Cluster>>, TestHost, Resources) {
    let cluster = Arc::new(Mutex::new(Cluster::default()));
    let answering = Arc::clone(&cluster);
    let server = Server::start(move |request| {
        let (status, body) = answering.lock().unwrap().answer(request);
        // A text is a log or the end of a watch; all else is JSON.
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        (format!("{status} X\r\ncontent-type: application/json"), body.into_bytes())
    })
    .await;
    let environment = format!(
        "kubernetes = {{ type = \"token\", server = \"{}\", secret = \"password\" }}\nsilver.grants.kubernetes = {grant}",
        server.url("")
    );
    let host = TestHost::new(&environment);
    let resources = host.lent().kubernetes.unwrap();
    (server, cluster, host, resources)
}

fn reference(kind: &str, name: &str) -> Reference {
    Reference {
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: "jobs".to_owned(),
        name: name.to_owned(),
    }
}

fn manifest(kind: &str, name: &str, more: &Value) -> String {
    let mut manifest = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "jobs"}});
    manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    manifest.to_string()
}

#[tokio::test]
async fn what_is_applied_is_labelled_and_can_be_found_changed_and_deleted() {
    let (_server, cluster, _host, resources) = lent(GRANT).await;
    let applied = resources.apply(&manifest("ConfigMap", "a", &json!({"data": {"k": "v"}}))).await.unwrap();
    assert!(!applied.contains("managedFields"), "{applied}");
    let stored = cluster.lock().unwrap().resources["/api/v1/namespaces/jobs/configmaps/a"].clone();
    let labels = &stored["metadata"]["labels"];
    for (label, value) in [
        ("app.kubernetes.io/managed-by", "asgard"),
        ("asgard.dev/owner", "a-store"),
        ("asgard.dev/environment", "test"),
        ("asgard.dev/plugin", "tester"),
        ("asgard.dev/task", "task-1"),
    ] {
        assert_eq!(labels[label], value, "{label}");
    }
    assert_eq!(resources.list(&reference("ConfigMap", ""), "asgard.dev/task=task-1").await.unwrap().len(), 1);
    let asked = cluster.lock().unwrap().asked.clone();
    assert!(asked.iter().any(|line| line.contains("labelSelector=asgard.dev%2Ftask%3Dtask-1")), "{asked:?}");
    assert!(asked.iter().any(|line| line.starts_with("PATCH") && line.contains("force=true")), "{asked:?}");
    assert_eq!(asked.iter().filter(|line| *line == "GET /api/v1").count(), 1, "kinds are asked for once");

    let patched = resources.patch(&reference("ConfigMap", "a"), r#"{"data": {"k": "w"}}"#).await.unwrap();
    assert!(patched.contains(r#""k":"w""#), "{patched}");
    for _ in 0..2 {
        resources.delete(&reference("ConfigMap", "a")).await.unwrap();
    }
    assert!(matches!(resources.get(&reference("ConfigMap", "a")).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn what_is_not_granted_never_reaches_the_cluster() {
    let (server, cluster, _host, resources) = lent(GRANT).await;
    let denied = [
        resources.get(&reference("Secret", "a")).await.map(drop),
        resources.get(&Reference { namespace: "kube-system".to_owned(), ..reference("Pod", "a") }).await.map(drop),
        resources.apply(&manifest("Secret", "a", &json!({}))).await.map(drop),
        resources.events(&reference("Secret", "a")).await.map(drop),
        resources.logs("other", "a", LogOptions::default()).await.map(drop),
    ];
    for result in denied {
        let error = result.unwrap_err();
        assert!(matches!(&error, Error::Forbidden { message } if message.contains("grants.kubernetes")), "{error:?}");
    }
    assert_eq!(cluster.lock().unwrap().asked, Vec::<String>::new());
    assert_eq!(server.connections(), 0);
    assert!(matches!(resources.get(&reference("Node", "a")).await, Err(Error::Unsupported { .. })));
    assert!(matches!(resources.get(&reference("Other", "a")).await, Err(Error::Unsupported { .. })));
}

#[tokio::test]
async fn secrets_go_out_and_do_not_come_back() {
    let grant = r#"[{ namespaces = ["jobs"], kinds = ["v1/Secret"], verbs = ["get", "list", "apply"], substitute_secrets = true }]"#;
    let (_server, cluster, host, resources) = lent(grant).await;
    let keys = json!({"stringData": {"id": "secret://aws#access_key_id", "key": "secret://aws#secret_access_key", "plain": "p"}});
    let applied = resources.apply(&manifest("Secret", "keys", &keys)).await.unwrap();
    let stored = cluster.lock().unwrap().resources["/api/v1/namespaces/jobs/secrets/keys"].clone();
    assert_eq!(stored["stringData"], json!({"id": "AKIDEXAMPLE", "key": "SECRET", "plain": "p"}));
    let listed = resources.list(&reference("Secret", ""), "").await.unwrap().concat();
    let got = resources.get(&reference("Secret", "keys")).await.unwrap();
    for shown in [applied, listed, got] {
        assert!(!shown.contains("SECRET") && shown.contains("**********"), "{shown}");
    }
    let without = host.apply("kubernetes.type = \"in_cluster\"\nsilver.grants.kubernetes = [{ namespaces = [\"jobs\"], kinds = [\"v1/Secret\"], verbs = [\"apply\"] }]");
    let refused = without.lent().kubernetes.unwrap().apply(&manifest("Secret", "keys", &keys)).await.unwrap_err();
    assert!(!refused.to_string().contains("AKID"), "{refused}");
}

#[tokio::test]
async fn a_watch_answers_when_the_resource_changes_and_at_the_latest_at_its_deadline() {
    let (_server, cluster, _host, resources) = lent(GRANT).await;
    resources.apply(&manifest("Pod", "a", &json!({}))).await.unwrap();
    let pod = reference("Pod", "a");
    let known = "1";
    let changed = resources.watch(&pod, known, 30_000).await.unwrap();
    assert!(!changed.contains(r#""resourceVersion":"1""#), "{changed}");
    // Another version than the one that is known is told at once, without a watch.
    let asked = cluster.lock().unwrap().asked.len();
    resources.watch(&pod, "0", 30_000).await.unwrap();
    assert_eq!(cluster.lock().unwrap().asked.len(), asked + 1);
    let started = Instant::now();
    let version = serde_json::from_str::<Value>(&resources.get(&pod).await.unwrap()).unwrap();
    let version = version["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    resources.watch(&pod, &version, 0).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(matches!(resources.watch(&reference("Pod", "none"), "1", 1000).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn logs_are_text_and_one_that_has_not_begun_can_be_asked_for_again() {
    let (_server, cluster, _host, resources) = lent(GRANT).await;
    let options = LogOptions {
        container: Some("c".to_owned()),
        tail_lines: Some(2),
        since_ms: Some(1_700_000_000_999),
        previous: true,
    };
    assert_eq!(resources.logs("jobs", "a", options).await.unwrap(), "line 1\nline 2\n");
    let asked = cluster.lock().unwrap().asked.last().unwrap().clone();
    for part in [
        "/api/v1/namespaces/jobs/pods/a/log?",
        "container=c",
        "tailLines=2",
        "previous=true",
        "sinceTime=2023-11-14T22%3A13%3A2",
    ] {
        assert!(asked.contains(part), "{asked}");
    }
    let error = resources.logs("jobs", "starting", LogOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn the_sweep_deletes_what_nobody_needs_and_leaves_what_lasts_to_the_selector() {
    let (_server, cluster, host, resources) = lent(GRANT).await;
    for name in ["gone", "kept"] {
        resources.apply(&manifest("Pod", name, &json!({}))).await.unwrap();
    }
    // The namespace that cannot be looked at comes first.
    let grants =
        grants(r#"[{ namespaces = ["closed", "jobs"], kinds = ["v1/Pod", "v1/Secret"], verbs = ["delete"] }]"#);
    let (connection, owner) = host.lender.cluster().unwrap();
    let gone = |left: Left| async move {
        assert_eq!(left.task, "task-1");
        Ok(left.resource.ends_with("/gone"))
    };
    let swept = sweep(connection, &grants, owner, "test", gone).await.unwrap();
    assert_eq!(swept.len(), 1);
    let left: Vec<_> = cluster.lock().unwrap().resources.keys().cloned().collect();
    assert_eq!(left, ["/api/v1/namespaces/jobs/pods/kept"]);
    let asked = cluster.lock().unwrap().asked.join("\n");
    assert!(
        asked.contains("asgard.dev%2Flasts%21%3Dtrue") && asked.contains("asgard.dev%2Fowner%3Da-store"),
        "{asked}"
    );
    assert!(asked.contains("/namespaces/closed/pods") && !asked.contains("/secrets"), "{asked}");
}

#[tokio::test]
async fn what_may_be_deleted_has_to_be_listed_too_but_for_secrets() {
    let (_server, _cluster, host, _resources) = lent(GRANT).await;
    let grants = grants(
        r#"[
            { namespaces = ["jobs"], kinds = ["v1/Pod"], verbs = ["list", "delete"] },
            { namespaces = ["jobs"], kinds = ["v1/ConfigMap", "v1/Secret"], verbs = ["apply", "delete"] },
        ]"#,
    );
    let (connection, _) = host.lender.cluster().unwrap();
    let missing = missing_access(connection, &grants).await.unwrap();
    let list = |kind: &str| Missing { namespace: "jobs".to_owned(), kind: kind.to_owned(), verb: "list" };
    assert_eq!(missing, [list("v1/ConfigMap"), list("v1/Pod")]);
}

fn grants(list: &str) -> Vec<KubernetesGrant> {
    let document: BTreeMap<String, Vec<KubernetesGrant>> = toml::from_str(&format!("grants = {list}")).unwrap();
    document.into_values().flatten().collect()
}
