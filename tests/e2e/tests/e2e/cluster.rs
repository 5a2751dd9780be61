//! What the host asks of a Kubernetes cluster for itself, against a stand-in API server: secrets that are kept there, and whether it may
//! do what bindings are granted. Real clusters are in the live tests.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, source_config, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_secret_in_a_cluster_is_used_as_it_is_now", secret),
        test(world, "a_check_says_which_verb_the_cluster_does_not_let_the_host_use", access),
    ]
}

const TOKEN: &str = "token-of-the-host";

/// What the API server knows: keys of the secret `asgard/warehouse`, and the verbs that the host may not use.
#[derive(Default)]
struct Cluster {
    secret: BTreeMap<String, String>,
    denied: Vec<&'static str>,
}

impl Cluster {
    fn answer(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let failure = |code: u16, message: &str| {
            (code, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}))
        };
        match (method, path) {
            ("GET", "/api/v1") => {
                let kind = |plural: &str, kind: &str| {
                    json!({"name": plural, "singularName": "", "namespaced": true, "kind": kind,
                        "verbs": ["get", "list", "delete"]})
                };
                let kinds = [kind("pods", "Pod"), kind("secrets", "Secret")];
                (200, json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1", "resources": kinds}))
            }
            ("GET", "/api/v1/namespaces/asgard/secrets/warehouse") => {
                let data: BTreeMap<_, _> =
                    self.secret.iter().map(|(key, value)| (key, STANDARD.encode(value))).collect();
                let metadata = json!({"name": "warehouse", "namespace": "asgard"});
                (200, json!({"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": data}))
            }
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") => {
                let asked = &body["spec"]["resourceAttributes"];
                let own = asked["namespace"] == "jobs" && asked["resource"] == "pods";
                let allowed = own && !self.denied.iter().any(|verb| asked["verb"] == *verb);
                let mut review = body.clone();
                review["status"] = json!({"allowed": allowed});
                (201, review)
            }
            _ => failure(404, &format!("{method} {path} is not there")),
        }
    }
}

/// Serves the cluster to whoever has its token; answers with its address.
fn serve(cluster: Arc<Mutex<Cluster>>) -> String {
    stand_in(move |asked| {
        if asked.header("authorization").is_none_or(|value| value != format!("Bearer {TOKEN}")) {
            return (401, json!({"kind": "Status", "status": "Failure", "code": 401, "message": "Unauthorized"}));
        }
        cluster.lock().unwrap().answer(&asked.method, asked.path(), &asked.body)
    })
}

/// A request to a stand-in.
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With its query.
    pub(crate) target: String,
    head: Vec<String>,
    /// JSON; null where it is none.
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.iter().filter_map(|line| line.split_once(": "));
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A server of JSON; answers with its address.
pub(crate) fn stand_in(answer: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || respond(&stream, &*answer));
        }
    });
    address
}

/// One request and its answer. A caller that goes away in the middle of it is none of ours.
fn respond(mut stream: &TcpStream, answer: &dyn Fn(&Asked) -> (u16, Value)) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let mut words = head.first()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut asked = Asked { method, target, head, body: Value::Null };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap_or(0));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = serde_json::from_slice(&body).unwrap_or_default();
    let (status, answer) = answer(&asked);
    let answer = answer.to_string();
    let length = answer.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
    )
    .ok()
}

/// An environment of this name in the cluster, on the shared host.
fn environment(world: &World, name: &str, server: &str, more: impl FnOnce(&mut Value)) {
    let client = world.light();
    let token = world.folder(name).join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!(name);
    document["kubernetes"] = json!({"type": "token", "server": server, "secret": "cluster-token"});
    document["secrets"] = json!({"cluster-token": {"from": "file", "path": token}});
    more(&mut document);
    let put = client.send("PUT", &format!("/environments/{name}"), Some(&document), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
}

fn secret(world: &World) {
    let source = world.source();
    let cluster = Arc::new(Mutex::new(Cluster::default()));
    let keep = |value: &str| cluster.lock().unwrap().secret = BTreeMap::from([("password".into(), value.into())]);
    keep(&source.password);
    let server = serve(Arc::clone(&cluster));
    environment(world, "secret-in-cluster", &server, |document| {
        document["secrets"]["erp"] =
            json!({"from": "kubernetes", "namespace": "asgard", "name": "warehouse", "key": "password"});
    });
    let client = world.light();
    let base = "/environments/secret-in-cluster";
    let mut config = source_config(&source);
    config["password"] = json!("secret://erp");
    let body = json!({"name": "erp", "type": "postgres", "config": config});
    let made = client.post(&format!("{base}/datasource"), &body).unwrap();
    let check = format!("{base}/datasource/{}/check", made["id"].as_str().unwrap());
    let check = |expected: u16| {
        let answer = client.send("POST", &check, None, &[]).unwrap();
        assert_eq!(answer.status, expected, "{}", answer.body);
        answer.body.to_string()
    };
    check(200);
    keep("not the password");
    assert!(!check(422).contains("not the password"));
    keep(&source.password);
    check(200);
    cluster.lock().unwrap().secret.clear();
    let report = client.post(&format!("{base}/check"), &json!({})).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["field"] == "secrets.erp").unwrap();
    let said = found["message"].as_str().unwrap();
    assert_eq!(found["verdict"], "failed", "{found}");
    assert!(said.contains("no key `password`") && said.contains("warehouse"), "{said}");
}

fn access(world: &World) {
    let cluster = Arc::new(Mutex::new(Cluster { denied: vec!["delete"], ..Cluster::default() }));
    let server = serve(Arc::clone(&cluster));
    environment(world, "access-in-cluster", &server, |document| {
        document["silver"]["grants"]["kubernetes"] =
            json!([{"namespaces": ["jobs"], "kinds": ["v1/Pod"], "verbs": ["get", "delete"]}]);
    });
    let client = world.light();
    let of_grant = || -> Vec<Value> {
        let report = client.post("/environments/access-in-cluster/check", &json!({})).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        let failed_or_passed = |finding: &Value| finding["verdict"] == "failed" || finding["verdict"] == "passed";
        findings
            .into_iter()
            .filter(|finding| finding["field"] == "silver.grants.kubernetes" && failed_or_passed(finding))
            .collect()
    };
    let denied = of_grant();
    assert_eq!(denied.len(), 1, "of the two verbs one is denied: {denied:?}");
    let said = denied[0]["message"].as_str().unwrap();
    assert_eq!(denied[0]["verdict"], "failed", "{said}");
    assert!(said.contains("delete `v1/Pod` in namespace `jobs`") && said.contains("add a rule"), "{said}");
    cluster.lock().unwrap().denied.clear();
    let allowed = of_grant();
    assert!(allowed.len() == 1 && allowed[0]["verdict"] == "passed", "{allowed:?}");
}
