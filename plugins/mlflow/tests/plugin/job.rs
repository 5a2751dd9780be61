//! Scripts as Jobs of a cluster.

use asgard_plugin_mlflow::configuration::{Configuration, Runner};
use asgard_plugin_mlflow::training::Trainer;
use asgard_sdk::training::{Outcome, Request, Status};
use asgard_sdk::types::InvalidInput;
use asgard_sdk::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::recorded::{Recorded, configuration};
use crate::training::{mlflow, request};

fn on_a_cluster() -> Configuration {
    let kubernetes = json!({
        "image": "python-ml:3.11", "tracking_uri": "http://mlflow.ml.svc:5000/",
        "secrets": { "MLFLOW_TRACKING_PASSWORD": "secret://mlflow" },
    });
    Configuration {
        runner: Runner::Kubernetes,
        kubernetes: Some(serde_json::from_value(kubernetes).unwrap()),
        ..configuration()
    }
}

fn with_trainer<T>(host: &Recorded, work: impl FnOnce(&Trainer) -> Result<T>) -> Result<T> {
    let configuration = on_a_cluster();
    work(&Trainer::new(host, &configuration)?)
}

fn host() -> Recorded {
    let host = Recorded::new(&mlflow());
    host.objects.borrow_mut().insert("deployments/d-7/features.parquet".to_owned(), b"PAR1".to_vec());
    host
}

fn started(host: &Recorded, request: Request) -> Vec<u8> {
    with_trainer(host, |trainer| trainer.start(request)).unwrap().state
}

fn ended(host: &Recorded, mut state: Vec<u8>) -> Status {
    for _ in 0..20 {
        let step = with_trainer(host, |trainer| trainer.advance(&state)).unwrap();
        match step.status {
            Status::Running(_) => state = step.state,
            end => return end,
        }
    }
    panic!("the training does not end");
}

fn failure(status: Status) -> (String, String) {
    match status {
        Status::Failed(Error::InvalidInput(InvalidInput { field, message })) => (field.unwrap(), message),
        other => panic!("{other:?}"),
    }
}

fn pod(state: Value) -> Value {
    json!({
        "metadata": { "name": "train-d-7-x", "creationTimestamp": "2026-11-28T03:29:31Z" },
        "spec": { "nodeName": "node1" },
        "status": { "containerStatuses": [{ "name": "script", "image": "python-ml:3.11", "state": state }] },
    })
}

/// The Job's end as a cluster tells it.
fn end_with(host: &Recorded, reason: &str, pods: Vec<Value>) {
    let of = if reason == "CompletionsReached" { "Complete" } else { "Failed" };
    let mut resources = host.resources.borrow_mut();
    resources.get_mut("Job/train-d-7").unwrap()["status"] =
        json!({ "conditions": [{ "type": of, "status": "True", "reason": reason }] });
    *host.pods.borrow_mut() = pods;
}

fn terminated(exit_code: i64, reason: &str, message: &str) -> Vec<Value> {
    vec![pod(json!({ "terminated": { "exitCode": exit_code, "reason": reason, "message": message } }))]
}

fn variable(host: &Recorded, name: &str) -> Option<String> {
    let resources = host.resources.borrow();
    let value = resources["Secret/train-d-7-environment"]["data"].get(name)?.as_str()?.to_owned();
    Some(String::from_utf8(STANDARD.decode(value).unwrap()).unwrap())
}

#[test]
fn a_script_finds_in_a_pod_what_it_finds_as_a_process() {
    let host = host();
    started(&host, request());
    assert_eq!(host.spec.borrow().clone().map(|spec| spec.program), None, "no process is started");
    let resources = host.resources.borrow();
    let specification = &resources["Job/train-d-7"]["spec"];
    assert_eq!(
        (&specification["suspend"], &specification["activeDeadlineSeconds"]),
        (&json!(false), &json!(60 + 600 + 60))
    );
    let pod = &specification["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["command"], json!(["python3", "/asgard/code/runner.py", "train.py", "scikit-learn>=1.4"]));
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    let code = &resources["ConfigMap/train-d-7-code"];
    assert_eq!(code["data"]["script"], "import mlflow");
    assert_eq!(code["metadata"]["ownerReferences"][0]["name"], "train-d-7");
    assert_eq!(resources["ConfigMap/train-d-7-0"]["binaryData"]["part-0000"], STANDARD.encode("PAR1"));
    drop(resources);
    assert_eq!(variable(&host, "MLFLOW_TRACKING_URI").as_deref(), Some("http://mlflow.ml.svc:5000"));
    assert_eq!(variable(&host, "ASGARD_FEATURES").as_deref(), Some(".asgard/features.parquet"));
    assert_eq!(variable(&host, "ASGARD_FEATURES_PARTS").as_deref(), Some("/asgard/features"));
    assert!(variable(&host, "MLFLOW_RUN_CONTEXT").unwrap().contains(r#""asgard.deployment_id":"d-7""#));
}

#[test]
fn secrets_are_the_bindings_and_not_the_requests() {
    let host = host();
    let mut request = request();
    request.environment.push(("STOLEN".to_owned(), "secret://mlflow".to_owned()));
    request.environment.push(("MLFLOW_TRACKING_PASSWORD".to_owned(), "mine".to_owned()));
    started(&host, request);
    let secret = host.resources.borrow()["Secret/train-d-7-environment"].clone();
    assert_eq!(secret["stringData"], json!({ "MLFLOW_TRACKING_PASSWORD": "secret://mlflow" }));
    assert_eq!(variable(&host, "STOLEN").as_deref(), Some("secret://mlflow"), "a text stays a text");
    assert_eq!(variable(&host, "MLFLOW_TRACKING_PASSWORD"), None);
}

#[test]
fn the_run_of_a_job_is_found_and_the_job_is_deleted() {
    let host = host();
    let mut state = started(&host, request());
    host.log.borrow_mut().clear();
    *host.pods.borrow_mut() = vec![pod(json!({ "running": {} }))];
    *host.output.borrow_mut() = b"fitting\nacc".to_vec();
    state = with_trainer(&host, |trainer| trainer.advance(&state)).unwrap().state;
    host.output.borrow_mut().extend(b"uracy 0.95\n");
    end_with(&host, "CompletionsReached", terminated(0, "Completed", "started"));
    let Status::Succeeded(Outcome { model_uri, .. }) = ended(&host, state) else { panic!() };
    assert_eq!(model_uri, "models:/m-54facb128efd4af1856e450f0a5d8883");
    assert_eq!(host.log.borrow()[..2], ["fitting", "accuracy 0.95"]);
    assert!(!host.resources.borrow().contains_key("Job/train-d-7"));
}

#[test]
fn a_job_that_cannot_be_deleted_at_once_is_deleted_later() {
    let ended_well = || {
        let host = host();
        let mut state = started(&host, request());
        end_with(&host, "CompletionsReached", terminated(0, "Completed", "started"));
        host.keeps.set(true);
        for _ in 0..5 {
            let step = with_trainer(&host, |trainer| trainer.advance(&state)).unwrap();
            assert!(matches!(step.status, Status::Running(_)), "{:?}", step.status);
            state = step.state;
        }
        (host, state)
    };
    let (host, state) = ended_well();
    host.keeps.set(false);
    assert!(matches!(ended(&host, state), Status::Succeeded(_)));
    assert!(!host.resources.borrow().contains_key("Job/train-d-7"));

    // A cluster that stays away takes nothing from what was trained.
    let (host, state) = ended_well();
    host.now_ms.set(600_000);
    assert!(matches!(ended(&host, state), Status::Succeeded(_)));
    assert!(host.log.borrow().iter().any(|line| line.starts_with("what the script ran in stays")));
}

#[test]
fn a_script_that_fails_in_a_pod_fails_with_its_last_lines() {
    let host = host();
    let state = started(&host, request());
    *host.output.borrow_mut() = b"Traceback (most recent call last):\nValueError: out of steel\n".to_vec();
    end_with(&host, "BackoffLimitExceeded", terminated(1, "Error", "started"));
    let (field, message) = failure(ended(&host, state));
    assert_eq!(field, "script_content");
    assert!(message.contains("status 1") && message.ends_with("ValueError: out of steel"), "{message}");
}

#[test]
fn a_requirement_that_a_pod_cannot_have_fails_with_pips_words() {
    let host = host();
    let state = started(&host, request());
    *host.output.borrow_mut() = b"pip could not install nope==9:\nERROR: No matching distribution found\n".to_vec();
    end_with(&host, "BackoffLimitExceeded", terminated(1, "Error", ""));
    assert_eq!(failure(ended(&host, state)).0, "requirements");
}

#[test]
fn a_pod_without_memory_is_told_as_such() {
    let host = host();
    let state = started(&host, request());
    end_with(&host, "BackoffLimitExceeded", terminated(137, "OOMKilled", "started"));
    let (_, message) = failure(ended(&host, state));
    assert!(message.contains("more memory than the limit"), "{message}");
}

#[test]
fn a_timeout_counts_from_the_scripts_start_and_keeps_its_last_words() {
    let mut answers = mlflow();
    answers.push(("POST runs/update", (200, "{}".to_owned())));
    let host = Recorded::new(&answers);
    let mut state = started(&host, Request { features: None, ..request() });
    let mut advance = |now: u64| {
        host.now_ms.set(now);
        let step = with_trainer(&host, |trainer| trainer.advance(&state)).unwrap();
        state = step.state;
        step.status
    };
    assert!(matches!(advance(300_000), Status::Running(_)), "its pod has not even been scheduled");
    *host.pods.borrow_mut() = vec![pod(json!({ "running": {} }))];
    *host.output.borrow_mut() = b"epoch 1\n".to_vec();
    assert!(matches!(advance(310_000), Status::Running(_)));
    assert!(matches!(advance(369_000), Status::Running(_)));
    assert!(matches!(advance(371_000), Status::Running(_)), "its end is a step of its own");
    let (field, message) = failure(advance(371_000));
    assert_eq!(field, "timeout");
    assert!(message.contains("60 s") && message.ends_with("epoch 1"), "{message}");
}

#[test]
fn a_job_that_never_starts_is_told_in_the_clusters_words() {
    let host = host();
    let state = started(&host, request());
    *host.pods.borrow_mut() =
        vec![pod(json!({ "waiting": { "reason": "ErrImagePull", "message": "python-ml:3.11: not found" } }))];
    let state = with_trainer(&host, |trainer| trainer.advance(&state)).unwrap().state;
    host.now_ms.set(61_000);
    let (field, message) = failure(ended(&host, state));
    assert_eq!(field, "configuration.kubernetes.image");
    assert!(message.contains("not found"), "{message}");
}

#[test]
fn a_cancelled_training_leaves_no_job() {
    let host = host();
    let state = started(&host, request());
    for _ in 0..2 {
        with_trainer(&host, |trainer| trainer.cancel(&state)).unwrap();
    }
    assert!(!host.resources.borrow().contains_key("Job/train-d-7"));
}
