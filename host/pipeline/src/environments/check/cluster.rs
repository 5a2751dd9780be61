//! Asks the Kubernetes cluster whether it lets the host do what bindings grant to plugins.

use asgard_capabilities::kubernetes::missing_access;

use super::{Finding, Verdict, patiently};
use crate::environments::Active;

/// What is to be said of the cluster and of every binding that is granted some of it.
pub(super) async fn findings(active: &Active) -> Vec<Finding> {
    let Some((cluster, _)) = active.lender.cluster() else { return Vec::new() };
    let mut findings = Vec::new();
    for (_, place, binding) in active.document.places() {
        let grants = &binding.grants.kubernetes;
        if grants.is_empty() {
            continue;
        }
        let field = format!("{place}.grants.kubernetes");
        match patiently(missing_access(cluster, grants)).await {
            Ok(missing) if missing.is_empty() => {
                findings.push(Finding::new(field, Verdict::Passed, "the cluster lets the host do what is granted"));
            }
            Ok(missing) => findings.extend(missing.into_iter().map(|each| {
                let (verb, kind, namespace) = (each.verb, each.kind, each.namespace);
                let message = format!(
                    "the cluster does not let the host {verb} `{kind}` in namespace `{namespace}`: add a rule to the role of the \
                     host's account"
                );
                Finding::new(field.clone(), Verdict::Failed, message)
            })),
            Err(error) => findings.push(Finding::of(field, Err(error))),
        }
    }
    findings
}
