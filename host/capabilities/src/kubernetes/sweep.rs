//! What cancelled and forgotten tasks left in a cluster.
//!
//! Plugins end what they started. When one cannot, because it was unbound, its backend was away, or its host never came back, the
//! labels still tell whose a resource is. What a plugin marked with `asgard.dev/lasts` (a model that is served) is none of this:
//! it is not the task's but the environment's.
//!
//! `v1/Secret`s are not looked for. The cluster's rules know no label selector: an account that may list them reads every value of the
//! namespace. Those that plugins make belong to a Job or a SparkApplication and go with it, or last.

use asgard_contract::Result;
use asgard_contract::environment::{KubernetesGrant, Verb};
use chrono::{DateTime, Utc};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Preconditions};

use super::manifest::{ENVIRONMENT, LASTS, OWNER, TASK};
use super::policy::Policy;
use super::{Connection, Reference, failure};

/// A resource that a task made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// `batch/v1/Job asgard/build-x`.
    pub resource: String,
    pub task: String,
    pub made: Option<DateTime<Utc>>,
}

/// Deletes those resources of `owner`'s `environment` that `gone` says nobody needs any more, among the kinds that `grants` let a
/// plugin delete; answers with what was deleted. A kind that cannot be swept is warned of, and holds up no other.
///
/// # Errors
/// `invalid-input` for grants that are none.
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
    let kinds = granted.filter(|(kind, verb)| *verb == Verb::Delete && is_swept(kind)).map(|(kind, _)| kind);
    let selector = format!("{OWNER}={owner},{ENVIRONMENT}={environment},{TASK},{LASTS}!=true");
    let mut swept = Vec::new();
    for kind in kinds {
        if let Err(error) = sweep_kind(connection, &kind, &selector, &gone, &mut swept).await {
            tracing::warn!(
                environment,
                namespace = kind.namespace,
                kind = kind.kind,
                %error,
                "what tasks left of this kind was not swept"
            );
        }
    }
    Ok(swept)
}

/// Whether resources of the kind are looked for, for which the host's account has to be allowed to list them.
pub(super) fn is_swept(kind: &Reference) -> bool {
    !kind.is_secret()
}

async fn sweep_kind<F>(
    connection: &Connection,
    kind: &Reference,
    selector: &str,
    gone: &impl Fn(Left) -> F,
    swept: &mut Vec<Left>,
) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let api = connection.api(kind).await?;
    let found = api.list(&ListParams::default().labels(selector)).await;
    for resource in found.map_err(|error| failure::of(error, kind))? {
        let reference = Reference { name: resource.name_any(), ..kind.clone() };
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
    Ok(())
}
