//! Asks connectors what they serve, and connects to every stored source of an environment.

use std::collections::HashMap;
use std::sync::Arc;

use asgard_contract::manifest::Role;
use futures::future::join_all;

use super::bindings::about;
use super::{Finding, Verdict, all, grants, patiently};
use crate::Pipeline;
use crate::environments::Active;

/// Sources that are connected to at the same time: each holds an instance of a connector.
const AT_ONCE: usize = 8;

impl Pipeline {
    /// What is to be said of connectors and sources. With `only`, of the connectors in these places, of the sources that they
    /// serve, and of sources that no connector serves any more.
    pub(super) async fn connector_findings(&self, active: &Arc<Active>, only: Option<&[&str]>) -> Vec<Finding> {
        let asked = |place: &str| only.is_none_or(|only| only.contains(&place));
        let mut findings = Vec::new();
        // Type -> the first place that serves it.
        let mut served: HashMap<String, String> = HashMap::new();
        for (_, place, binding) in active.document.places().into_iter().filter(|(role, ..)| *role == Role::Ingestion) {
            let types = async {
                let bound = self.bound_as(active, binding).await?;
                let types = patiently(self.source_types(&bound)).await.map_err(|error| about(&bound, error))?;
                Ok((bound, types))
            };
            match types.await {
                Ok((bound, types)) => {
                    let names: Vec<&str> = types.iter().map(|each| each.name.as_str()).collect();
                    if asked(&place) {
                        let message = format!("{} serves {}", bound.name(), names.join(", "));
                        findings.push(Finding::new(&place, Verdict::Passed, message));
                        findings.extend(grants::findings(&place, bound.plugin.manifest(), &binding.grants));
                    }
                    for each in types {
                        served.entry(each.name).or_insert_with(|| place.clone());
                    }
                }
                Err(error) if asked(&place) => findings.push(Finding::of(&place, Err(error))),
                Err(_) => {}
            }
        }
        findings.extend(self.source_findings(active, &served, &asked).await);
        findings
    }

    async fn source_findings(
        &self,
        active: &Arc<Active>,
        served: &HashMap<String, String>,
        asked: &impl Fn(&str) -> bool,
    ) -> Vec<Finding> {
        let sources = match all(|page| self.sources(active, page)).await {
            Ok(sources) => sources,
            Err(error) => return vec![Finding::of("ingestion", Err(error))],
        };
        let mut findings = Vec::new();
        for some in sources.chunks(AT_ONCE) {
            let found = join_all(some.iter().map(|source| async move {
                let (name, kind) = (&source.name, &source.source_type);
                let Some(place) = served.get(kind) else {
                    let message =
                        format!("source `{name}` is of type `{kind}`, which no connector serves: bind one that does");
                    return Some(Finding::new("ingestion", Verdict::Failed, message));
                };
                if !asked(place) {
                    return None;
                }
                let reached = patiently(self.check_source(active, &source.id)).await;
                let reached = reached.map(|()| format!("source `{name}` ({kind}) can be reached"));
                Some(match reached {
                    Ok(message) => Finding::new(place, Verdict::Passed, message),
                    Err(error) => Finding::failed(place, error.about(&format!("source `{name}` ({kind})"))),
                })
            }));
            findings.extend(found.await.into_iter().flatten());
        }
        findings
    }
}
