use asgard_plugin_spark::configuration::Configuration;
use asgard_plugin_spark::run::Runs;
use asgard_sdk::Error;
use asgard_sdk::transform::Status;
use serde_json::{Value, json};

use crate::recorded::{Recorded, configuration, ended, failure, start};

const APPLICATION: &str = "SparkApplication sql-exec-ab12cd34";
const POD: &str = "Pod sql-exec-ab12cd34-driver";
const DONE: &str = "ASGARD {\"done\": {\"rows_written\": 1, \"bytes_written\": 1169, \"rows_read\": 0, \"bytes_read\": 0, \"total_rows\": 1, \"snapshot\": 5, \"location\": \"s3://lake/x\"}}";
const LOG: &str = "26/11/28 03:47:01 INFO SparkContext: Running Spark version 4.1.4\nASGARD {\"started\": {\"spark_version\": \"4.1.4\", \"application_id\": \"spark-988a\", \"ui\": \"http://sql-exec-driver-svc:4040\"}}\n";

fn operator(more: Value) -> Configuration {
    let mut all =
        json!({"mode": "operator", "namespace": "spark", "image": "registry/spark:4.1.4", "spark_version": "4.1.4"});
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    configuration(all)
}

/// A run that the operator has taken up, as a cluster told it.
fn taken_up(host: &Recorded) -> Vec<u8> {
    let state = start(host, &operator(json!({}))).state;
    set(host, APPLICATION, "/status", &recorded(include_str!("answers/application.json"))["status"]);
    host.cluster.borrow_mut().insert(POD.to_owned(), recorded(include_str!("answers/pod.json")));
    host.pod_log.replace(LOG.to_owned());
    state
}

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn set(host: &Recorded, resource: &str, pointer: &str, value: &Value) {
    let mut cluster = host.cluster.borrow_mut();
    let resource = cluster.get_mut(resource).unwrap();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    resource.pointer_mut(parent).unwrap()[field] = value.clone();
}

fn operator_says(host: &Recorded, state: &str, error: &str) {
    set(host, APPLICATION, "/status/applicationState", &json!({"state": state, "errorMessage": error}));
}

fn advance(host: &Recorded, state: &[u8]) -> Vec<u8> {
    let step = Runs::new(host, &operator(json!({}))).advance(state).unwrap();
    assert!(matches!(step.status, Status::Running(_)), "{:?}", step.status);
    step.state
}

/// What the run is given up with.
fn given_up(host: &Recorded, state: Vec<u8>) -> String {
    let step = ended(host, &operator(json!({"start_seconds": 60})), state);
    assert!(host.changes.borrow().contains(&format!("delete {APPLICATION}")), "{:?}", host.changes);
    match failure(&step.status) {
        Error::Internal(message) => message.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_is_an_application_with_program_request_and_keys_of_its_own() {
    let host = Recorded::default();
    start(&host, &operator(json!({})));
    start(&host, &operator(json!({})));
    let cluster = host.cluster.borrow();
    assert_eq!(cluster.len(), 3, "{:?}", cluster.keys());
    let spec = &cluster[APPLICATION]["spec"];
    assert_eq!((&spec["executor"]["instances"], &spec["driver"]["memory"]), (&json!(2), &json!("640m")));
    assert_eq!(spec["mainApplicationFile"], "local:///opt/asgard/job.py");
    let container = &spec["driver"]["template"]["spec"]["containers"][0];
    assert_eq!(container["name"], "spark-kubernetes-driver");
    let reference = &container["env"][2]["valueFrom"]["secretKeyRef"];
    assert_eq!((&reference["name"], &reference["key"]), (&json!("sql-exec-ab12cd34"), &json!("AWS_SECRET_ACCESS_KEY")));
    let secret = &cluster["Secret sql-exec-ab12cd34"];
    assert_eq!(secret["stringData"]["AWS_SECRET_ACCESS_KEY"], "secret://keys#secret_access_key");
    let map = &cluster["ConfigMap sql-exec-ab12cd34"];
    assert_eq!(map["metadata"]["ownerReferences"][0]["uid"], "u-1");
    let request: Value = recorded(map["data"]["request.json"].as_str().unwrap());
    assert_eq!((&request["run_id"], &request["version"]), (&json!("ab12cd34"), &json!(1)));
    assert!(map["data"]["job.py"].as_str().unwrap().contains("createOrReplace"));
}

#[test]
fn keys_may_be_in_a_secret_that_is_there() {
    let host = Recorded::default();
    start(&host, &operator(json!({"credentials_secret": "lake"})));
    let cluster = host.cluster.borrow();
    assert_eq!(cluster.len(), 2, "{:?}", cluster.keys());
    let environment = &cluster[APPLICATION]["spec"]["driver"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(
        environment[1]["valueFrom"]["secretKeyRef"],
        json!({"name": "lake", "key": "AWS_ACCESS_KEY_ID", "optional": false})
    );
    assert_eq!(environment[4]["valueFrom"]["secretKeyRef"]["optional"], true);
}

#[test]
fn a_run_ends_with_what_its_driver_said_its_log_and_events_in_the_task() {
    let host = Recorded::default();
    let state = taken_up(&host);
    host.pod_events.replace(serde_json::from_str(include_str!("answers/events.json")).unwrap());
    let state = advance(&host, &advance(&host, &state));
    host.pod_log.replace(format!("{LOG}26/11/28 03:47:09 WARN TaskSetManager: slow\n{DONE}\n"));
    set(&host, POD, "/status/phase", &json!("Succeeded"));
    operator_says(&host, "COMPLETED", "");
    set(
        &host,
        APPLICATION,
        "/status/executorState",
        &json!({"sql-exec-exec-1": "COMPLETED", "sql-exec-exec-2": "COMPLETED"}),
    );
    let step = ended(&host, &operator(json!({})), state);
    let Status::Succeeded(outcome) = &step.status else { panic!("{:?}", step.status) };
    assert_eq!((outcome.rows_written, outcome.snapshot), (1, Some(5)));
    let details: Value = serde_json::from_str(&step.details).unwrap();
    for (field, value) in [
        ("driver_pod", json!("sql-exec-ab12cd34-driver")),
        ("executor_count", json!(2)),
        ("spark_version", json!("4.1.4")),
        ("image", json!("registry/spark:4.1.4")),
        ("namespace", json!("spark")),
    ] {
        assert_eq!(details[field], value, "{field}");
    }
    assert_eq!(details["full_status"]["applicationState"]["state"], "COMPLETED");
    let once = |lines: &[String], text: &str| lines.iter().filter(|line| line.contains(text)).count();
    let (log, events) = (host.log.borrow(), host.events.borrow());
    assert_eq!((once(&log, "Running Spark version"), once(&log, "slow")), (1, 1), "{log:?}");
    assert_eq!((once(&events, "SparkDriverRunning"), once(&events, "FailedMount")), (1, 2), "{events:?}");
    assert!(
        !host.changes.borrow().iter().any(|change| change.starts_with("delete")),
        "it stays until its time is over"
    );
}

#[test]
fn a_drivers_last_words_are_enough_where_its_log_is_gone() {
    let host = Recorded::default();
    let state = taken_up(&host);
    host.pod_log.replace(String::new());
    let failed = "ASGARD {\"failed\": {\"kind\": \"invalid-input\", \"field\": \"sql\", \"message\": \"no `x`\"}}";
    set(
        &host,
        POD,
        "/status/containerStatuses/0/state",
        &json!({"terminated": {"exitCode": 1, "reason": "Error", "message": failed}}),
    );
    operator_says(&host, "FAILED", "driver container failed with ExitCode: 1, Reason: Error");
    let step = ended(&host, &operator(json!({})), state);
    let Error::InvalidInput(input) = failure(&step.status) else { panic!("{:?}", step.status) };
    assert_eq!(input.field.as_deref(), Some("sql"));
}

#[test]
fn what_the_operator_does_not_say_is_said_in_words() {
    let host = Recorded::default();
    let state = taken_up(&host);
    set(
        &host,
        POD,
        "/status/containerStatuses/0/state",
        &json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
    );
    operator_says(&host, "FAILED", "driver container failed with ExitCode: 137, Reason: OOMKilled");
    let step = ended(&host, &operator(json!({})), state);
    let Error::Internal(message) = failure(&step.status) else { panic!("{:?}", step.status) };
    assert!(message.contains("raise `driver_memory`") && message.contains("Running Spark version"), "{message}");
}

#[test]
fn a_quota_that_keeps_the_driver_from_being_made_is_told() {
    let host = Recorded::default();
    let state = start(&host, &operator(json!({}))).state;
    set(&host, APPLICATION, "/status", &json!({}));
    operator_says(
        &host,
        "SUBMISSION_FAILED",
        "pods \"sql-exec-ab12cd34-driver\" is forbidden: exceeded quota: compute",
    );
    let step = ended(&host, &operator(json!({})), state);
    let Error::Internal(message) = failure(&step.status) else { panic!("{:?}", step.status) };
    assert!(message.contains("SUBMISSION_FAILED") && message.contains("exceeded quota"), "{message}");
}

#[test]
fn what_the_operator_would_wait_for_for_ever_is_given_up_and_deleted() {
    let waiting = |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
    for (container, words) in [
        (waiting("InvalidImageName", "couldn't parse image name"), "cannot be used"),
        (waiting("ImagePullBackOff", "Back-off pulling image \"none\": ErrImagePull: not found"), "cannot be pulled"),
        (waiting("CreateContainerConfigError", "secret \"lake\" not found"), "secret \"lake\" not found"),
    ] {
        let host = Recorded::default();
        let state = taken_up(&host);
        set(&host, POD, "/status/phase", &json!("Pending"));
        set(&host, POD, "/status/containerStatuses/0/state", &container);
        operator_says(&host, "SUBMITTED", "");
        let message = given_up(&host, state);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_driver_that_no_node_takes_is_given_up_after_its_time() {
    let host = Recorded::default();
    let state = taken_up(&host);
    set(&host, POD, "/status/phase", &json!("Pending"));
    set(&host, POD, "/status/containerStatuses", &json!([]));
    let condition = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient memory."}]);
    set(&host, POD, "/status/conditions", &condition);
    operator_says(&host, "SUBMITTED", "");
    let step = Runs::new(&host, &operator(json!({"start_seconds": 60}))).advance(&state).unwrap();
    assert!(matches!(step.status, Status::Running(_)), "a node may become free");
    let message = given_up(&host, step.state);
    assert!(message.contains("Insufficient memory"), "{message}");
    assert!(host.now_ms.get() > 60_000);
}

#[test]
fn an_evicted_driver_that_the_operator_never_sees_is_told() {
    let host = Recorded::default();
    let state = taken_up(&host);
    set(&host, POD, "/status/phase", &json!("Failed"));
    set(&host, POD, "/status/reason", &json!("Evicted"));
    set(&host, POD, "/status/message", &json!("The node was low on resource: memory."));
    let message = given_up(&host, state);
    assert!(message.contains("Evicted: The node was low on resource"), "{message}");
}

#[test]
fn a_namespace_that_no_operator_watches_is_told() {
    let host = Recorded::default();
    let state = start(&host, &operator(json!({}))).state;
    let message = given_up(&host, state);
    assert!(message.contains("no Spark operator took the run up"), "{message}");
}

#[test]
fn executors_that_never_come_are_told_with_the_reason() {
    let host = Recorded::default();
    let state = taken_up(&host);
    set(&host, APPLICATION, "/status/executorState", &json!({"exec-1": "PENDING"}));
    let condition =
        json!([{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient cpu."}]);
    host.cluster
        .borrow_mut()
        .insert("Pod exec-1".to_owned(), json!({"status": {"phase": "Pending", "conditions": condition}}));
    let message = given_up(&host, state);
    assert!(message.contains("no executor came up") && message.contains("Insufficient cpu"), "{message}");
}

#[test]
fn an_application_that_somebody_deletes_fails_and_one_that_ran_out_of_time_unseen_is_made_again() {
    let host = Recorded::default();
    let state = taken_up(&host);
    host.cluster.borrow_mut().remove(APPLICATION);
    let step = ended(&host, &operator(json!({})), state.clone());
    let Error::Internal(message) = failure(&step.status) else { panic!("{:?}", step.status) };
    assert!(message.contains("somebody else deleted"), "{message}");
    host.now_ms.set(host.now_ms.get() + 4_000_000);
    let state = advance(&host, &advance(&host, &state));
    assert!(host.cluster.borrow().contains_key(APPLICATION));
    advance(&host, &state);
}

#[test]
fn a_cancelled_run_leaves_nothing() {
    let host = Recorded::default();
    let state = start(&host, &operator(json!({}))).state;
    Runs::new(&host, &operator(json!({}))).cancel(&state).unwrap();
    Runs::new(&host, &operator(json!({}))).cancel(&state).unwrap();
    assert!(host.cluster.borrow().is_empty(), "{:?}", host.cluster);
}

#[test]
fn a_cluster_is_checked_without_making_anything() {
    let host = Recorded::default();
    let configuration = operator(json!({}));
    let told = Runs::new(&host, &configuration).check().unwrap();
    assert!(told.contains("Spark applications of namespace"), "{told}");
    assert!(host.changes.borrow().is_empty());
}
