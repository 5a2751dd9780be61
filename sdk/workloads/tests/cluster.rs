//! Jobs and pods by the answers of a real cluster (Kubernetes 1.34, `answers/`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends with the first thing that is not as it should be"
)]

use std::cell::RefCell;

use asgard_sdk::kubernetes::{LogOptions, Reference};
use asgard_sdk::{Error, Result};
use asgard_workloads::cluster::Cluster;
use asgard_workloads::job::{Job, Plan, State};
use asgard_workloads::pods::{self, Ending, Kind};
use serde_json::{Map, Value, json};

macro_rules! answer {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("answers/", $name, ".json"))).unwrap()
    };
}

/// Answers with one Job and its pods, and notes what is asked of it.
#[derive(Default)]
struct Recorded {
    job: RefCell<Option<Value>>,
    pods: Vec<Value>,
    done: RefCell<Vec<String>>,
}

impl Cluster for Recorded {
    fn apply(&self, manifest: &Value) -> Result<Value> {
        let owner =
            manifest.pointer("/metadata/ownerReferences/0/uid").map(|uid| format!(" of {uid}")).unwrap_or_default();
        self.done.borrow_mut().push(format!("apply {}{owner}", manifest["metadata"]["name"]));
        let mut made = manifest.clone();
        made["metadata"]["uid"] = json!("1-2-3");
        if manifest["kind"] == "Job" {
            *self.job.borrow_mut() = Some(made.clone());
        }
        Ok(made)
    }
    fn patch(&self, _: &Reference, patch: &Value) -> Result<Value> {
        self.done.borrow_mut().push(format!("patch {patch}"));
        let mut job = self.job.borrow_mut();
        let job = job.as_mut().expect("a Job to patch");
        job["spec"]["suspend"] = patch["spec"]["suspend"].clone();
        Ok(job.clone())
    }
    fn get(&self, reference: &Reference) -> Result<Value> {
        self.job.borrow().clone().ok_or_else(|| Error::NotFound(reference.name.clone()))
    }
    fn list(&self, _: &str, _: &str, _: &str, _: &str) -> Result<Vec<Value>> {
        Ok(self.pods.clone())
    }
    fn delete(&self, _: &Reference) -> Result<()> {
        Ok(())
    }
    fn logs(&self, _: &str, _: &str, _: &LogOptions) -> Result<String> {
        Ok(String::new())
    }
    fn events(&self, _: &Reference) -> Result<Vec<Value>> {
        Ok(Vec::new())
    }
}

const JOB: Job = Job { namespace: "ns", name: "work" };

fn look(job: Value, pods: Vec<Value>) -> State {
    JOB.look(&Recorded { job: RefCell::new(Some(job)), pods, ..Recorded::default() }, "builder").unwrap()
}

#[test]
fn what_keeps_a_pod_from_running_is_told_in_the_clusters_words() {
    for (pod, kind, words) in [
        (answer!("pod-no-image"), Kind::Image, "198.51.100.1:5000/nope/nope:1: not found"),
        (answer!("pod-no-node"), Kind::Node, "1 Insufficient cpu"),
        (answer!("pod-no-config"), Kind::Setup, "secret \"missing\" not found"),
        (answer!("pod-crashes"), Kind::Crash, "container `model` exited with status 1"),
    ] {
        let trouble = pods::trouble(&pod).expect(words);
        assert_eq!(trouble.kind, kind);
        assert!(trouble.words.contains(words), "{}", trouble.words);
    }
    assert!(pods::trouble(&answer!("pod-crashes")).unwrap().restarts >= 2);
    assert_eq!(pods::trouble(&answer!("pod-digests")), None);
}

#[test]
fn the_end_of_a_job_is_its_pods() {
    let succeeded = look(answer!("job-digests"), vec![answer!("pod-digests")]);
    let State::Ended { ending: Some(Ending { exit_code: 0, message, .. }), failure: None, .. } = succeeded else {
        panic!("{succeeded:?}")
    };
    assert!(message.starts_with("sha256:0a1b"), "{message}");

    let failed = look(answer!("job-fails"), vec![answer!("pod-fails")]);
    let State::Ended { ending: Some(ending), failure: Some(reason), .. } = failed else { panic!("{failed:?}") };
    assert_eq!((ending.exit_code, reason.as_str()), (3, "BackoffLimitExceeded"));
    assert_eq!(ending.words("the script"), "the script exited with status 3");

    // The Job controller deletes the pods of a Job that is past its deadline.
    let late = look(answer!("job-late"), Vec::new());
    assert_eq!(late, State::Ended { pod: None, ending: None, failure: Some("DeadlineExceeded".to_owned()) });
}

#[test]
fn a_job_is_made_once_whatever_step_a_host_dies_at() {
    let plan = || Plan {
        labels: json!({}),
        metadata: json!({}),
        pod: Map::new(),
        deadline_seconds: 60,
        belongings: vec![json!({ "kind": "ConfigMap", "metadata": { "name": "files" } })],
    };
    let cluster = Recorded::default();
    JOB.start(&cluster, plan()).unwrap();
    let first = cluster.done.borrow().clone();
    assert_eq!(
        first,
        ["apply \"work\"", "apply \"files\" of \"1-2-3\"", r#"patch {"spec":{"suspend":false}}"#],
        "the pod finds what it needs, and it all goes with the Job"
    );
    JOB.start(&cluster, plan()).unwrap();
    assert_eq!(*cluster.done.borrow(), first, "it has been let go: nothing is done twice");

    // A host that died before it let the Job go.
    cluster.job.borrow_mut().as_mut().unwrap()["spec"]["suspend"] = json!(true);
    cluster.done.borrow_mut().clear();
    JOB.start(&cluster, plan()).unwrap();
    assert_eq!(*cluster.done.borrow(), first[1..]);

    cluster.job.borrow_mut().as_mut().unwrap()["metadata"]["deletionTimestamp"] = json!("2026-11-28T00:00:00Z");
    assert!(matches!(JOB.start(&cluster, plan()), Err(Error::Conflict(_))));
}
