//! Reaches every stored sink of an environment, with its own credentials.

use std::sync::Arc;

use futures::future::join_all;

use super::{Finding, Verdict, all, patiently};
use crate::Pipeline;
use crate::environments::Active;

/// Sinks that are reached at the same time.
const AT_ONCE: usize = 8;

impl Pipeline {
    /// What is to be said of sinks: an object is written to each, read back and deleted.
    pub(super) async fn sink_findings(&self, active: &Arc<Active>) -> Vec<Finding> {
        let sinks = match all(|page| self.sinks(active, page)).await {
            Ok(sinks) => sinks,
            Err(error) => return vec![Finding::of("ingestion", Err(error))],
        };
        let mut findings = Vec::new();
        for some in sinks.chunks(AT_ONCE) {
            let found = join_all(some.iter().map(|sink| async move {
                let (name, kind) = (&sink.name, &sink.sink_type);
                match patiently(self.check_sink(active, &sink.id)).await {
                    Ok(place) => {
                        let message = format!("sink `{name}` ({kind}): {place} can be written and read");
                        Finding::new("ingestion", Verdict::Passed, message)
                    }
                    Err(error) => {
                        Finding::new("ingestion", Verdict::Failed, format!("sink `{name}` ({kind}): {error}"))
                    }
                }
            }));
            findings.extend(found.await);
        }
        findings
    }
}
