//! Runs of dbt as a Job of a cluster.

use asgard_sdk::Error;
use asgard_sdk::json::{self, Value, json};
use asgard_sdk::transform::{Request, Status, Step};

use crate::recorded::{COUNT, EXISTING, PROPERTIES, Recorded, SCHEMA, SUMMARY, answer, gold, model};

const JOB: &str = "Job/asgard-dbt-t-1";

fn by_job() -> Value {
    json!({"mode": "dbt", "url": "http://127.0.0.1:28080", "authentication": "jwt", "password": "secret://trino", "job": {
        "image": "registry/dbt:1.11", "namespace": "asgard", "url": "https://trino.data:8443",
    }})
}

fn host() -> Recorded {
    Recorded::new(&[
        (EXISTING, answer!("existing-nothing")),
        (SCHEMA, answer!("schema")),
        (PROPERTIES, answer!("properties")),
        (COUNT, answer!("count")),
        (SUMMARY, answer!("summary")),
        ("FROM system.runtime.queries", answer!("existing-nothing")),
    ])
}

fn begun(host: &Recorded) -> Step {
    gold(host, &by_job()).start(Request::Gold(model())).unwrap()
}

/// The pod of the Job, in this state.
fn pod(host: &Recorded, state: &Value) {
    let pod = json!({"kind": "Pod", "metadata": {"name": "pod-1", "labels": {"job-name": "asgard-dbt-t-1"}},
        "status": {"containerStatuses": [{"name": "dbt", "state": state}]}});
    host.resources.borrow_mut().insert("Pod/pod-1".to_owned(), pod);
}

fn job_ends(host: &Recorded, condition: &Value) {
    host.resources.borrow_mut().get_mut(JOB).unwrap()["status"] = json!({ "conditions": [condition] });
}

/// What the runner prints, of a run with these results.
fn printed(run_results: &str) -> String {
    let results: Value = json::from_str(run_results).unwrap();
    let manifest: Value = json::from_str(include_str!("answers/dbt-manifest.json")).unwrap();
    let all = json!({"run_results": results, "manifest": {"nodes": manifest["nodes"]}});
    format!("03:18:01  1 of 1 START sql table model gold.totals\nasgard-dbt-results: {all}\n03:18:02  Done.\n")
}

fn finish(host: &Recorded, mut step: Step) -> Step {
    while let Status::Running(_) = step.status {
        step = gold(host, &by_job()).advance(&step.state).unwrap();
    }
    step
}

#[test]
fn a_job_is_made_asleep_with_its_project_and_without_a_password() {
    let host = host();
    begun(&host);
    begun(&host);
    let resources = host.resources.borrow();
    let keys: Vec<&str> = resources.keys().map(String::as_str).collect();
    assert_eq!(keys, ["ConfigMap/asgard-dbt-t-1", JOB, "Secret/asgard-dbt-t-1"]);
    let spec = &resources[JOB]["spec"];
    assert_eq!(
        (&spec["suspend"], &spec["backoffLimit"], &spec["ttlSecondsAfterFinished"]),
        (&json!(true), &json!(0), &json!(3600))
    );
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry/dbt:1.11");
    assert_eq!(container["command"], json!(["python", "/asgard/project/asgard_run.py", "Totals"]));
    let secret = json!({"name": "DBT_ENV_SECRET_TRINO", "valueFrom": {"secretKeyRef": {"name": "asgard-dbt-t-1", "key": "password"}}});
    assert!(container["env"].as_array().unwrap().contains(&secret), "{container}");
    let items = spec["template"]["spec"]["volumes"][0]["configMap"]["items"].as_array().unwrap();
    assert!(items.contains(&json!({"key": "models--gold--Totals.sql", "path": "models/gold/Totals.sql"})));
    let project = &resources["ConfigMap/asgard-dbt-t-1"];
    assert_eq!(project["metadata"]["ownerReferences"][0]["uid"], "uid of Job/asgard-dbt-t-1");
    assert!(project["data"]["profiles.yml"].as_str().unwrap().contains("host: \"trino.data\""));
    // The host puts the value in its place on the way out.
    assert_eq!(resources["Secret/asgard-dbt-t-1"]["stringData"]["password"], "secret://trino");
}

#[test]
fn a_job_is_woken_once_it_is_known_and_its_results_are_read_from_its_log() {
    let host = host();
    let step = begun(&host);
    let woken = gold(&host, &by_job()).advance(&step.state).unwrap();
    gold(&host, &by_job()).advance(&step.state).unwrap();
    assert_eq!(host.resources.borrow()[JOB]["spec"]["suspend"], false);
    pod(&host, &json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}));
    let waiting = gold(&host, &by_job()).advance(&woken.state).unwrap();
    match &waiting.status {
        Status::Running(running) => {
            assert!(running.progress.message.ends_with("waits: ImagePullBackOff no such image"), "{running:?}");
        }
        other => panic!("{other:?}"),
    }
    pod(&host, &json!({"terminated": {"exitCode": 0}}));
    *host.pod_log.borrow_mut() = printed(include_str!("answers/dbt-replaced.json"));
    job_ends(&host, &json!({"type": "Complete", "status": "True"}));
    host.answers_now(EXISTING, answer!("existing-table"));
    let ended = finish(&host, waiting);
    assert!(matches!(ended.status, Status::Succeeded(_)), "{:?}", ended.status);
    let log = host.log.borrow();
    assert_eq!(log.iter().filter(|line| line.starts_with("03:18")).count(), 2, "{log:?}");
    assert!(!log.iter().any(|line| line.contains("asgard-dbt-results")), "{log:?}");
}

#[test]
fn a_pod_that_cannot_run_says_why_and_one_whose_log_is_gone_is_no_success() {
    let host = host();
    let woken = gold(&host, &by_job()).advance(&begun(&host).state).unwrap();
    let unscheduled = json!({"kind": "Pod", "metadata": {"name": "pod-1", "labels": {"job-name": "asgard-dbt-t-1"}}, "status": {
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}],
    }});
    host.resources.borrow_mut().insert("Pod/pod-1".to_owned(), unscheduled);
    let waiting = gold(&host, &by_job()).advance(&woken.state).unwrap();
    assert!(
        format!("{:?}", waiting.status).contains("waits: Unschedulable 0/1 nodes are available"),
        "{:?}",
        waiting.status
    );
    host.resources.borrow_mut().remove("Pod/pod-1");
    job_ends(&host, &json!({"type": "Complete", "status": "True"}));
    match finish(&host, waiting).status {
        Status::Failed(Error::Conflict(message)) => {
            assert!(message.contains("cannot be read; gold.totals is as it was"), "{message}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_that_ended_and_was_forgotten_is_not_made_again() {
    let host = host();
    let step = begun(&host);
    let woken = gold(&host, &by_job()).advance(&step.state).unwrap();
    host.resources.borrow_mut().clear();
    match finish(&host, woken).status {
        Status::Failed(Error::Conflict(message)) => {
            assert!(message.contains("the Job asgard/asgard-dbt-t-1 is gone"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert!(host.resources.borrow().is_empty());
}

#[test]
fn how_a_job_failed_is_told() {
    let failed =
        |reason: &str| json!({"type": "Failed", "status": "True", "reason": reason, "message": "it has failed"});
    for (condition, state, log, expected) in [
        (
            failed("BackoffLimitExceeded"),
            json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
            String::new(),
            "137 (OOMKilled)",
        ),
        (failed("DeadlineExceeded"), json!({"terminated": {"exitCode": 143}}), String::new(), "`timeout_seconds`"),
        (
            failed("BackoffLimitExceeded"),
            json!({"terminated": {"exitCode": 1}}),
            printed(include_str!("answers/dbt-divided.json")),
            "Division by zero (DIVISION_BY_ZERO)",
        ),
    ] {
        let host = host();
        let woken = gold(&host, &by_job()).advance(&begun(&host).state).unwrap();
        pod(&host, &state);
        *host.pod_log.borrow_mut() = log;
        job_ends(&host, &condition);
        let Status::Failed(error) = finish(&host, woken).status else { panic!("it has failed") };
        assert!(format!("{error:?}").contains(expected), "{error:?}");
    }
}

#[test]
fn a_cancelled_job_is_deleted() {
    let host = host();
    let step = begun(&host);
    gold(&host, &by_job()).cancel(&step.state).unwrap();
    gold(&host, &by_job()).cancel(&step.state).unwrap();
    assert!(!host.resources.borrow().contains_key(JOB));
}
