//! Work that ends: a Job, made once, watched, and gone with all that belongs to it.
//!
//! A Job is made suspended. What its pod needs (ConfigMaps, Secrets) is made after it, owned by it, and then the Job may go:
//! whatever step a host dies at, the next one goes on from what is there, and deleting the Job deletes everything. One that is
//! forgotten is deleted by the cluster a day after its end.
//!
//! A pod that the cluster itself ended (a node that is drained or lost) is no failure of its work: it is started anew.

use asgard_sdk::kubernetes::{LogOptions, Reference};
use asgard_sdk::{Error, Result};
use serde_json::{Map, Value, json};

use crate::cluster::{Cluster, condition, text};
use crate::pods::{self, Ending, Trouble};

const API: &str = "batch/v1";

/// Seconds that a finished Job stays for people to look at, when its host never comes back to delete it.
const KEPT: u32 = 24 * 60 * 60;

/// Lines that are read of a log that is too long as a whole.
const LAST_LINES: u32 = 2000;

/// The label that the Job controller puts on its pods.
const POD_LABEL: &str = "batch.kubernetes.io/job-name";

/// Names a Job.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Where.
    pub namespace: &'a str,
    /// Unique for the work.
    pub name: &'a str,
}

/// What to run.
#[derive(Debug)]
pub struct Plan {
    /// Labels of the Job and of what it owns, beside those of the host.
    pub labels: Value,
    /// Metadata of the pod.
    pub metadata: Value,
    /// The pod's specification; how it restarts is the Job's matter.
    pub pod: Map<String, Value>,
    /// Then the cluster ends it.
    pub deadline_seconds: u64,
    /// ConfigMaps and Secrets that the pod needs.
    pub belongings: Vec<Value>,
}

/// Where a Job is.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Its pod does not run yet.
    Preparing {
        /// What it is up to.
        words: String,
        /// What keeps it from running, if something does.
        trouble: Option<Trouble>,
    },
    /// Its pod runs.
    Running {
        /// The pod.
        pod: String,
    },
    /// Its pod has ended, one way or the other.
    Ended {
        /// The pod, if it is still there.
        pod: Option<String>,
        /// How; none where the pod is not there any more.
        ending: Option<Ending>,
        /// Why the Job failed: `DeadlineExceeded`, `BackoffLimitExceeded`. None when it succeeded.
        failure: Option<String>,
    },
    /// Somebody deleted it.
    Gone,
}

impl Job<'_> {
    /// Makes the Job with its belongings, and lets it go. A Job that has been let go is left as it is, so a step may be
    /// repeated.
    ///
    /// # Errors
    /// Those of the cluster; `conflict` for a Job that is being deleted.
    pub fn start(&self, cluster: &dyn Cluster, plan: Plan) -> Result<()> {
        let job = match cluster.find(&self.reference())? {
            Some(job) if !text(&job, "/metadata/deletionTimestamp").is_empty() => {
                return Err(Error::Conflict(format!(
                    "Job `{}` is being deleted: try again when it is gone",
                    self.name
                )));
            }
            Some(job) if job.pointer("/spec/suspend") != Some(&Value::Bool(true)) => return Ok(()),
            Some(job) => job,
            None => cluster.apply(&self.manifest(&plan))?,
        };
        let owner = json!([{
            "apiVersion": API, "kind": "Job", "name": self.name, "uid": text(&job, "/metadata/uid"), "controller": false,
        }]);
        for mut belonging in plan.belongings {
            belonging["metadata"]["ownerReferences"] = owner.clone();
            cluster.apply(&belonging)?;
        }
        cluster.patch(&self.reference(), &json!({ "spec": { "suspend": false } }))?;
        Ok(())
    }

    fn manifest(&self, plan: &Plan) -> Value {
        let mut pod = plan.pod.clone();
        pod.insert("restartPolicy".to_owned(), json!("Never"));
        json!({
            "apiVersion": API,
            "kind": "Job",
            "metadata": { "name": self.name, "namespace": self.namespace, "labels": plan.labels },
            "spec": {
                "suspend": true,
                "backoffLimit": 0,
                "activeDeadlineSeconds": plan.deadline_seconds,
                "ttlSecondsAfterFinished": KEPT,
                "podFailurePolicy": {
                    "rules": [{ "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] }],
                },
                "template": { "metadata": plan.metadata, "spec": pod },
            },
        })
    }

    /// Where it is. `container` is the one whose end counts.
    ///
    /// # Errors
    /// Those of the cluster.
    pub fn look(&self, cluster: &dyn Cluster, container: &str) -> Result<State> {
        let Some(job) = cluster.find(&self.reference())? else { return Ok(State::Gone) };
        let pods = pods::list(cluster, self.namespace, &format!("{POD_LABEL}={}", self.name))?;
        let pod = pods.first();
        let failed = condition(&job, "Failed").or_else(|| condition(&job, "FailureTarget"));
        let done = failed.or_else(|| condition(&job, "Complete")).or_else(|| condition(&job, "SuccessCriteriaMet"));
        if done.is_some() {
            return Ok(State::Ended {
                pod: pod.map(|pod| pods::name(pod).to_owned()),
                ending: pod.and_then(|pod| pods::ended(pod, container)),
                failure: failed.map(|condition| text(condition, "/reason").to_owned()),
            });
        }
        Ok(match pod {
            None => State::Preparing { words: "waiting for its pod".to_owned(), trouble: None },
            // Once it has begun, its end is what the Job makes of it.
            Some(pod) if pods::has_begun(pod, container) => State::Running { pod: pods::name(pod).to_owned() },
            Some(pod) => State::Preparing {
                words: pods::preparing(pod),
                trouble: pods::trouble(pod).filter(|trouble| trouble.kind != pods::Kind::Crash),
            },
        })
    }

    /// What a container of a pod wrote, or nothing where it has not started or is gone.
    ///
    /// # Errors
    /// Those of the cluster.
    pub fn log(&self, cluster: &dyn Cluster, pod: &str, container: &str) -> Result<Option<String>> {
        let read = |tail_lines| {
            let container = Some(container.to_owned());
            cluster.logs(self.namespace, pod, &LogOptions { container, previous: false, tail_lines, since_ms: None })
        };
        // More than a plugin can hold: then its end.
        let text = match read(None) {
            Err(Error::InvalidInput(_)) => read(Some(LAST_LINES)),
            other => other,
        };
        match text {
            Ok(text) => Ok(Some(text)),
            Err(Error::NotFound(_) | Error::InvalidInput(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends it, and deletes it with its pods and its belongings.
    ///
    /// # Errors
    /// Those of the cluster.
    pub fn delete(&self, cluster: &dyn Cluster) -> Result<()> {
        cluster.delete(&self.reference())
    }

    fn reference(&self) -> Reference {
        Reference::new(API, "Job", self.namespace, self.name)
    }
}

/// How long a pod may be held up by one kind of trouble before its work is given up, in milliseconds.
#[must_use]
pub fn patience_ms(trouble: &Trouble, start_timeout_ms: u64) -> u64 {
    match trouble.kind {
        // A registry that is away for a moment; the kubelet tries four times meanwhile.
        pods::Kind::Image | pods::Kind::Setup => start_timeout_ms.min(60_000),
        pods::Kind::Node => start_timeout_ms,
        pods::Kind::Crash => 0,
    }
}
