//! What the cluster's own rules allow the host, asked before it is needed.

use asgard_contract::environment::{KubernetesGrant, Verb};
use asgard_contract::{Error, Result};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;

use super::policy::Policy;
use super::sweep::is_swept;
use super::{Connection, Reference, failure};

/// What is granted to a plugin, and the host itself may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub namespace: String,
    /// `batch/v1/Job`.
    pub kind: String,
    /// In the cluster's words: `create`, `get`.
    pub verb: &'static str,
}

/// What of `grants` the cluster does not allow the host's account (a `SelfSubjectAccessReview` each).
///
/// # Errors
/// `not-found` for a kind that the cluster lacks; those of the connection.
pub async fn missing_access(connection: &Connection, grants: &[KubernetesGrant]) -> Result<Vec<Missing>> {
    let policy = Policy::parse(grants)?;
    let mut missing = Vec::new();
    for (reference, verb) in policy.each() {
        let (namespace, kind) = (&reference.namespace, format!("{}/{}", reference.api_version, reference.kind));
        if verb == Verb::Logs && kind != "v1/Pod" {
            continue;
        }
        let (client, resource) = connection.resource(&reference).await?;
        for &needed in needed(verb, &reference) {
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(ResourceAttributes {
                        namespace: Some(namespace.clone()),
                        verb: Some(needed.to_owned()),
                        group: Some(resource.group.clone()),
                        resource: Some(resource.plural.clone()),
                        subresource: (verb == Verb::Logs).then(|| "log".to_owned()),
                        ..ResourceAttributes::default()
                    }),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
            let answer = reviews.create(&PostParams::default(), &review).await;
            let status = answer.map_err(|error| failure::of(error, &reference))?.status;
            let status = status.ok_or_else(|| Error::internal("the API server's review says nothing"))?;
            if !status.allowed {
                let each = Missing { namespace: namespace.clone(), kind: kind.clone(), verb: needed };
                // Two grants may need the same.
                if !missing.contains(&each) {
                    missing.push(each);
                }
            }
        }
    }
    Ok(missing)
}

/// Server-side apply is a patch that may create. What a plugin may delete, the sweep looks for.
fn needed(verb: Verb, kind: &Reference) -> &'static [&'static str] {
    match verb {
        Verb::Apply => &["patch", "create"],
        Verb::Get | Verb::Logs => &["get"],
        Verb::List => &["list"],
        Verb::Watch => &["get", "watch"],
        Verb::Patch => &["patch"],
        Verb::Delete if is_swept(kind) => &["delete", "list"],
        Verb::Delete => &["delete"],
    }
}
