//! What cancelled and forgotten tasks left in a cluster.
//!
//! Plugins end what they started. When one cannot, because it was unbound, its backend was away, or its host never came back, the
//! labels still tell whose a resource is. What a plugin marked with `asgard.dev/lasts` (a model that is served) is none of this:
//! it is not the task's but the environment's.

use asgard_contract::Result;
use asgard_contract::environment::{KubernetesGrant, Verb};
use chrono::{DateTime, Utc};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Preconditions};

use super::manifest::{ENVIRONMENT, LASTS, OWNER, TASK};
use super::policy::Policy;
use super::{Connection, failure};

/// A resource that a task made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// `batch/v1/Job asgard/build-x`.
    pub resource: String,
    pub task: String,
    pub made: Option<DateTime<Utc>>,
}

/// Deletes those resources of `owner`'s `environment` that `gone` says nobody needs any more, among the kinds that `grants` let a
/// plugin delete; answers with what was deleted.
///
/// # Errors
/// Those of the cluster, at the first kind that cannot be listed.
pub async fn sweep<F>(
    connection: &Connection,
    grants: &[KubernetesGrant],
    owner: &str,
    environment: &str,
    gone: impl Fn(Left) -> F,
) -> Result<Vec<Left>>
where
    F: Future<Output = Result<bool>>,
{
    let policy = Policy::parse(grants)?;
    let granted = policy.each().into_iter();
    let places = granted.filter_map(|(reference, verb)| (verb == Verb::Delete).then_some(reference));
    let selector = format!("{OWNER}={owner},{ENVIRONMENT}={environment},{TASK},{LASTS}!=true");
    let mut swept = Vec::new();
    for mut reference in places {
        let api = connection.api(&reference).await?;
        let found = api.list(&ListParams::default().labels(&selector)).await;
        for resource in found.map_err(|error| failure::of(error, &reference))? {
            reference.name = resource.name_any();
            let left = Left {
                resource: reference.shown(),
                task: resource.labels().get(TASK).cloned().unwrap_or_default(),
                made: resource.creation_timestamp().and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0)),
            };
            if resource.metadata.deletion_timestamp.is_some() || !gone(left.clone()).await? {
                continue;
            }
            // One that was made anew under the name meanwhile is another.
            let same = Preconditions { uid: resource.uid(), resource_version: None };
            match api.delete(&reference.name, &DeleteParams::foreground().preconditions(same)).await {
                Ok(_) => swept.push(left),
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                Err(error) => return Err(failure::of(error, &reference)),
            }
        }
    }
    Ok(swept)
}
