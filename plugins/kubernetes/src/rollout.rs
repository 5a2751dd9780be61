//! Where a rollout is, by the status of its Deployment.

use asgard_workloads::cluster::{condition, items, number, text};
use serde_json::Value;

/// What the status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollout {
    /// It goes on.
    Running {
        /// How far.
        words: String,
        /// 0.0 to 1.0, in hundredths.
        percent: u64,
        /// Why no pod can be made, such as a quota.
        refused: Option<String>,
    },
    /// Every container is of this version and answers, and those of others have ended.
    Done,
    /// It has stood still for too long.
    Stuck {
        /// The cluster's words.
        words: String,
    },
}

/// Reads the status of a Deployment.
#[must_use]
pub fn of(deployment: &Value) -> Rollout {
    let wanted = number(deployment, "/spec/replicas");
    let running = |words: String, percent: u64| Rollout::Running { words, percent, refused: refused(deployment) };
    // What the controller has not seen yet, its status does not speak of.
    if number(deployment, "/status/observedGeneration") < number(deployment, "/metadata/generation") {
        return running("waiting for the cluster to take the change up".to_owned(), 0);
    }
    if let Some(words) = past_its_deadline(deployment) {
        return Rollout::Stuck { words };
    }
    let updated = number(deployment, "/status/updatedReplicas");
    let total = number(deployment, "/status/replicas");
    let available = number(deployment, "/status/availableReplicas");
    if updated < wanted || available < wanted {
        let ready = updated.min(available);
        return running(
            format!("{ready} of {wanted} containers of the new version answer"),
            ready * 100 / wanted.max(1),
        );
    }
    if total > updated {
        return running(format!("{} containers of the version before are ending", total - updated), 99);
    }
    Rollout::Done
}

fn past_its_deadline(deployment: &Value) -> Option<String> {
    let progressing =
        items(deployment, "/status/conditions").iter().find(|each| text(each, "/type") == "Progressing")?;
    (text(progressing, "/reason") == "ProgressDeadlineExceeded").then(|| text(progressing, "/message").to_owned())
}

fn refused(deployment: &Value) -> Option<String> {
    condition(deployment, "ReplicaFailure").map(|condition| text(condition, "/message").to_owned())
}
