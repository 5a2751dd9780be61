//! The host's signatures before a server that computes each one anew. No cluster is needed: builds ask ECR before they make anything in
//! one.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use asgard_live::ecr::Ecr;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::models::{ended, ended_again, make_features};
use crate::tracking::beside;
use crate::world::{World, test};

/// Of the environment.
const NAME: &str = "ecr";

/// What comes after all that ECR is asked.
const CLUSTERS_WORDS: &str = "the cluster does not allow it";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "ecr_takes_what_its_key_signed_and_a_build_tells_that_another_key_is_refused", signs)]
}

fn signs(world: &World) {
    let (ecr, tracker) = (world.ecr(), world.tracker());
    let changes = beside(tracker);
    let secrets = [
        ("right", Ecr::SECRET),
        ("wrong", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYANOTHERKEY"),
        ("temporary", Ecr::TEMPORARY_SECRET),
        ("session", Ecr::SESSION_TOKEN),
        ("cluster", "token"),
    ];
    let environment = world.environment_with(NAME, &secrets, &changes).unwrap();
    make_features(&environment);
    let cluster = closed_cluster();
    let bind = |repositories: &str, key: &Value| bind(world, &cluster, repositories, key);

    bind("refused", &json!({"access_key_id": Ecr::KEY_ID, "secret_access_key": "secret://wrong"}));
    let refused = ended(&environment, "signed", &json!({"replicas": 1}));
    let why = error(&refused);
    assert!(
        why.contains(
            "InvalidSignatureException The request signature we calculated does not match the signature you provided"
        ),
        "{why}"
    );
    // What was trained is built with each of the others.
    bind("refused", &json!({"access_key_id": "AKIANOBODYSEXAMPLE", "secret_access_key": "secret://right"}));
    let why = error(&ended_again(&environment, &refused, &json!({})));
    assert!(why.contains("UnrecognizedClientException The security token included in the request is invalid"), "{why}");
    let none = ecr.ask("DescribeRepositories", "refused/signed").unwrap_err().to_string();
    assert!(none.contains("RepositoryNotFoundException"), "{none}");

    let keys = [
        ("lasting", json!({"access_key_id": Ecr::KEY_ID, "secret_access_key": "secret://right"})),
        (
            "temporary",
            json!({"access_key_id": Ecr::TEMPORARY_KEY_ID, "secret_access_key": "secret://temporary",
                "session_token": "secret://session"}),
        ),
    ];
    for (repositories, key) in keys {
        bind(repositories, &key);
        let why = error(&ended_again(&environment, &refused, &json!({})));
        assert!(why.contains(CLUSTERS_WORDS), "{repositories}: {why}");
        let repository = format!("{repositories}/signed");
        let made = ecr.ask("DescribeRepositories", &repository).unwrap();
        assert_eq!(made["repositories"][0]["imageScanningConfiguration"]["scanOnPush"], true, "{made}");
        let policy = ecr.ask("GetLifecyclePolicy", &repository).unwrap();
        let text = policy["lifecyclePolicyText"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), lifecycle_policy());
    }
}

/// Of a deployment whose image was not built.
fn error(deployment: &Value) -> String {
    assert_eq!(
        (&deployment["status"], &deployment["progress"]),
        (&json!("failed"), &json!("building")),
        "{deployment}"
    );
    deployment["error"].as_str().unwrap().to_owned()
}

fn lifecycle_policy() -> Value {
    json!({"rules": [{
        "rulePriority": 1, "description": "The last thirty images",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 30}, "action": {"type": "expire"},
    }]})
}

/// Builds for repositories below `repositories`, signed with a key.
fn bind(world: &World, cluster: &str, repositories: &str, key: &Value) {
    let address = world.ecr().address();
    let mut ecr = json!({
        "region": Ecr::REGION, "endpoint": format!("http://{address}"), "lifecycle_policy": lifecycle_policy(),
    });
    for (name, value) in key.as_object().into_iter().flatten() {
        ecr[name.as_str()] = value.clone();
    }
    let granted = |kinds: &[&str], verbs: &[&str]| json!({"namespaces": ["builds"], "kinds": kinds, "verbs": verbs, "substitute_secrets": kinds.contains(&"v1/Secret")});
    let host = world.host_client();
    let path = format!("/environments/{NAME}");
    let mut document = host.get(&path).unwrap()["document"].clone();
    document["kubernetes"] = json!({"type": "token", "server": cluster, "secret": "cluster"});
    document["build"] = json!({
        "plugin": "kaniko",
        "configuration": {
            "namespace": "builds", "image": "kaniko:1", "base_image": "python:3.11-slim", "ecr": ecr,
            "registry": format!("123456789012.dkr.ecr.{}.amazonaws.com", Ecr::REGION),
            "repository": format!("{repositories}/{{model}}"),
        },
        "grants": {
            "http": [{"host": address, "substitute_secrets": true}], "objects": true,
            "kubernetes": [
                granted(&["batch/v1/Job"], &["get", "apply", "patch", "delete"]),
                granted(&["v1/ConfigMap", "v1/Secret"], &["apply"]),
                granted(&["v1/Pod"], &["get", "list", "logs"]),
            ],
        },
    });
    // The binding's own check would find out that this cluster is closed.
    let answer = host.send("PUT", &format!("{path}?force=true"), Some(&document), &[]).unwrap();
    assert!(answer.status < 300, "{}", answer.body);
}

/// An API server that allows nothing; answers with its address.
fn closed_cluster() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || refuse(&stream));
        }
    });
    address
}

/// One request. A caller that goes away in the middle of it is none of ours.
fn refuse(mut stream: &TcpStream) -> Option<()> {
    // Clients ask what kinds there are before they send anything: no request has a body.
    let mut head = BufReader::new(stream).lines();
    while !head.next()?.ok()?.is_empty() {}
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403,
        "message": "nobody builds here",
    });
    let status = status.to_string();
    let length = status.len();
    write!(
        stream,
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{status}"
    )
    .ok()
}
