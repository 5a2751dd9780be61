//! What tasks left in Kubernetes clusters and among the objects is removed.
//!
//! A plugin ends what it started; a task whose plugin could not (it was unbound, its host never came back, its cluster was away)
//! leaves resources behind, and so does a job that is done. Both go when the task has been over for [`KEPT`], or when the store
//! does not know the task at all.
//!
//! A join that succeeds leaves its rows to its request, and that may be gone: its host was killed, or its client hung up. They go when
//! the join has been over for [`KEPT`], too.

use std::time::Duration;

use asgard_capabilities::kubernetes::{self, Left};
use asgard_contract::Result;
use asgard_contract::environment::KubernetesGrant;
use asgard_store::tasks::Task;
use asgard_tasks::TaskFilter;
use chrono::{DateTime, TimeDelta, Utc};

use super::Active;
use crate::{Pipeline, features};

/// Time for a person to look at a pod that failed, and far more than a request takes to read its rows.
const KEPT: TimeDelta = TimeDelta::hours(1);

/// One request for each kind and namespace that a grant names, and one for the rows of joins.
const LOOK_EVERY: Duration = Duration::from_secs(600);

impl Pipeline {
    /// Looks again and again. Never ends by itself.
    pub(crate) async fn sweep(&self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        // Several hosts may look at the same time: what one deleted is not there for the other.
        loop {
            looks.tick().await;
            for active in self.environments.list().await {
                match self.sweep_cluster(&active).await {
                    Ok(swept) => {
                        for left in swept {
                            tracing::info!(
                                environment = active.name,
                                resource = left.resource,
                                task = left.task,
                                "swept"
                            );
                        }
                    }
                    Err(error) => {
                        tracing::warn!(environment = active.name, %error, "what tasks left in the cluster was not swept");
                    }
                }
                match self.sweep_joins(&active, Utc::now()).await {
                    Ok(swept) => {
                        for object in swept {
                            tracing::info!(environment = active.name, object, "swept");
                        }
                    }
                    Err(error) => {
                        tracing::warn!(environment = active.name, %error, "rows of joins that nobody took were not swept");
                    }
                }
            }
        }
    }

    /// Deletes rows of joins that no request took; answers with their objects.
    pub(super) async fn sweep_joins(&self, active: &Active, now: DateTime<Utc>) -> Result<Vec<String>> {
        let mut swept = Vec::new();
        for object in active.lender.list_objects(features::JOINED).await? {
            let Some(join) = features::join_of(&object) else { continue };
            let filter = TaskFilter::default().environment(&active.name).kind(features::KIND).subject(join);
            let (tasks, _) = self.tasks.list(&filter, 1, 0).await?;
            if is_over(tasks.first(), None, now) {
                active.lender.delete_object(&object).await?;
                swept.push(object);
            }
        }
        Ok(swept)
    }

    async fn sweep_cluster(&self, active: &Active) -> Result<Vec<Left>> {
        let Some((cluster, owner)) = active.lender.cluster() else { return Ok(Vec::new()) };
        let places = active.document.places();
        let grants: Vec<KubernetesGrant> =
            places.iter().flat_map(|(_, _, binding)| binding.grants.kubernetes.iter().cloned()).collect();
        let gone = |left: Left| async move {
            let task = self.store.task(&left.task).await?;
            Ok(is_over(task.as_ref(), left.made, Utc::now()))
        };
        kubernetes::sweep(cluster, &grants, owner, &active.name, gone).await
    }
}

/// Whether nobody needs what was made for the task.
fn is_over(task: Option<&Task>, made: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    let since = match task {
        Some(task) if task.status.is_final() => task.finished_at,
        Some(_) => None,
        // A request's, or of a task that was forgotten.
        None => made,
    };
    since.is_some_and(|since| now - since >= KEPT)
}

#[cfg(test)]
mod tests {
    use asgard_store::Store;
    use asgard_store::tasks::{NewTask, TaskStatus};

    use super::*;

    #[tokio::test]
    async fn what_a_task_made_goes_an_hour_after_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let mut task = store.insert_task(&NewTask::new("local", "silver")).await.unwrap();
        let now = Utc::now();
        let (long_ago, just_now) = (Some(now - TimeDelta::hours(2)), Some(now - TimeDelta::minutes(5)));
        assert!(!is_over(Some(&task), long_ago, now), "it is at work");
        task.status = TaskStatus::Cancelled;
        task.finished_at = just_now;
        assert!(!is_over(Some(&task), long_ago, now), "somebody may look");
        task.finished_at = long_ago;
        assert!(is_over(Some(&task), just_now, now));
        assert!(is_over(None, long_ago, now) && !is_over(None, just_now, now) && !is_over(None, None, now));
    }
}
