//! Whether an environment can do its work: every backend is reached with its real credentials, and what is wrong is said in words.
//!
//! | part | how |
//! | --- | --- |
//! | secrets that the document names | looked up |
//! | catalog | its tables are listed |
//! | storage | an object is written, read back and deleted |
//! | programs | found on this machine; a Python environment is not made for it |
//! | services | waited for until they answer |
//! | cluster | asked whether it lets the host do what bindings grant |
//! | every binding | the plugin fits its role and its configuration; what its manifest asks for is granted |
//! | connectors | the source types are asked for; every stored source is connected to |
//! | sinks | an object is written to every stored one, with its own credentials, read back and deleted |
//! | plugins that export `readiness` | asked whether their backend is there |
//! | other transforms | a statement of one row is planned |
//! | other feature sources, model registries | their backend is asked about itself |
//! | other image builds, serving | nothing can be asked without an effect: said so, and not passed |
//!
//! The same checks of a binding decide whether a change may bind it: those of bindings that a change leaves alone are not asked
//! then, so that a backend that is away keeps nobody from changing another one.

mod bindings;
mod cluster;
mod connectors;
mod grants;
mod sinks;

use std::sync::Arc;
use std::time::Duration;

use asgard_capabilities::lakehouse::Engine as _;
use asgard_contract::environment::{Environment, secrets_in};
use asgard_contract::manifest::Role;
use asgard_contract::{Error, Result};
use futures::future::join_all;

use super::Active;
use crate::{Page, Paged, Pipeline, storage};

/// A backend that has not answered by then will not do for requests either. Longer than a call waits for a service that is starting,
/// which knows why it is.
const PATIENCE: Duration = Duration::from_secs(70);

/// As long as a call waits for one.
const SERVICE_PATIENCE: Duration = Duration::from_secs(60);

/// After the reason for which a document is not made true.
const UNCHANGED: &str = "Nothing was changed";

/// Stored resources that are looked at in one go.
const PAGE: u32 = 1000;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Passed,
    /// It was not or cannot be asked.
    Skipped,
    /// It works as far as it was asked, and may not for everything.
    Warned,
    Failed,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// A field of the document: `silver`, `lakehouse.storage`, `ingestion[0]`.
    pub field: String,
    pub verdict: Verdict,
    /// For people: what was reached, or what is wrong and what to do.
    pub message: String,
    /// Of a failed check of what may soon be there, such as a Python environment that is being made: when to ask again.
    pub retry_after_ms: Option<u64>,
}

impl Finding {
    fn new(field: impl Into<String>, verdict: Verdict, message: impl Into<String>) -> Self {
        Self { field: field.into(), verdict, message: message.into(), retry_after_ms: None }
    }

    fn failed(field: impl Into<String>, error: Error) -> Self {
        let message = error.to_string();
        let retry_after_ms = match error {
            Error::Unavailable { retry_after_ms, .. } => retry_after_ms,
            _ => None,
        };
        Self { retry_after_ms, ..Self::new(field, Verdict::Failed, message) }
    }

    fn of(field: impl Into<String>, result: Result<String>) -> Self {
        match result {
            Ok(message) => Self::new(field, Verdict::Passed, message),
            Err(Error::Unsupported { message }) => Self::new(field, Verdict::Skipped, message),
            Err(error) => Self::failed(field, error),
        }
    }
}

/// All that was found of an environment.
#[derive(Debug, Clone)]
pub struct Report {
    pub environment: String,
    pub revision: i64,
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict != Verdict::Failed)
    }
}

impl Pipeline {
    /// Reaches everything that an environment's work needs.
    ///
    /// # Errors
    /// `not-found`. What is wrong with the environment is in the report.
    pub async fn check_environment(&self, name: &str) -> Result<Report> {
        let active = self.environments.get(name).await?;
        let mut findings = secrets(&active).await;
        findings.extend(self.lakehouse_findings(&active).await);
        for name in active.document.programs.keys() {
            findings.push(Finding::of(format!("programs.{name}"), active.lender.find_program(name).await));
        }
        findings.extend(join_all(active.document.services.keys().map(|name| service(&active, name))).await);
        findings.extend(cluster::findings(&active).await);
        let places = active.document.places();
        let asked = places.iter().filter(|(role, ..)| *role != Role::Ingestion);
        let (connectors, sinks, others) = futures::join!(
            self.connector_findings(&active, None),
            self.sink_findings(&active),
            join_all(asked.map(|(role, place, binding)| self.binding_findings(&active, *role, place, binding)))
        );
        findings.extend(connectors);
        findings.extend(sinks);
        findings.extend(others.into_iter().flatten());
        Ok(Report { environment: active.name.clone(), revision: active.revision, findings })
    }

    async fn lakehouse_findings(&self, active: &Active) -> Vec<Finding> {
        let catalog = patiently(async {
            let tables = active.lakehouse.tables("bronze").await?.len();
            Ok(format!("the catalog answers: {tables} tables in bronze"))
        });
        let kept = patiently(async {
            match storage::of_environment(&active.secrets, &active.document).await? {
                Some(storage) => {
                    storage.check().await.map_err(storage::in_document)?;
                    Ok(format!("{} can be written and read", storage.url()))
                }
                None => Ok(format!("tables are in {}", active.folder.join("lakehouse").display())),
            }
        });
        let (catalog, kept) = futures::join!(catalog, kept);
        vec![Finding::of("lakehouse.catalog", catalog), Finding::of("lakehouse.storage", kept)]
    }

    /// Reaches catalog and storage.
    ///
    /// # Errors
    /// `invalid-input` for the part of the document, with the reason and how to apply it all the same.
    pub(super) async fn check_lakehouse(&self, candidate: &Active) -> Result<()> {
        let storage = patiently(async {
            match storage::of_environment(&candidate.secrets, &candidate.document).await? {
                Some(storage) => storage.check().await.map_err(storage::in_document),
                None => Ok(()),
            }
        });
        refuse("lakehouse.storage", storage.await)?;
        refuse("lakehouse.catalog", patiently(candidate.lakehouse.tables("bronze")).await.map(drop))
    }

    /// Asks the plugins of bindings that differ from those of `before`.
    ///
    /// # Errors
    /// `invalid-input` for the first binding whose plugin fails, with the reason and how to bind it all the same; `unavailable` where
    /// that is worth asking again.
    pub(super) async fn check_swap(&self, before: Option<&Environment>, candidate: &Arc<Active>) -> Result<()> {
        let places = candidate.document.places();
        let is_new = |role: Role, binding| before.is_none_or(|before| !before.bindings(role).contains(&binding));
        let changed: Vec<_> = places.iter().filter(|(role, _, binding)| is_new(*role, *binding)).collect();
        let connectors = before.is_none_or(|before| before.ingestion != candidate.document.ingestion);
        let (of_connectors, others) = futures::join!(
            async {
                if !connectors {
                    return Vec::new();
                }
                let new =
                    changed.iter().filter(|(role, ..)| *role == Role::Ingestion).map(|(_, place, _)| place.as_str());
                self.connector_findings(candidate, Some(&new.collect::<Vec<_>>())).await
            },
            join_all(changed.iter().filter(|(role, ..)| *role != Role::Ingestion).map(
                |(role, place, binding)| async move {
                    if let Some(name) = starting_service(before, &candidate.document, binding) {
                        let message = format!("service `{name}` starts with this revision, and cannot be asked before");
                        return vec![Finding::new(place, Verdict::Skipped, message)];
                    }
                    self.binding_findings(candidate, *role, place, binding).await
                }
            ))
        );
        let findings = of_connectors.into_iter().chain(others.into_iter().flatten());
        match findings.into_iter().find(|finding| finding.verdict == Verdict::Failed) {
            Some(Finding { field, message, retry_after_ms: Some(ms), .. }) => {
                let message = format!("{field}: {}. {UNCHANGED}: ask again", message.trim_end_matches('.'));
                Err(Error::Unavailable { message, retry_after_ms: Some(ms) })
            }
            Some(Finding { field, message, .. }) => Err(refused(field, &message)),
            None => Ok(()),
        }
    }
}

fn refuse(field: &str, asked: Result<()>) -> Result<()> {
    asked.map_err(|error| match error {
        Error::InvalidInput { field: Some(own), message } => refused(own, &message),
        other => refused(field.to_owned(), &other.to_string()),
    })
}

fn refused(field: String, message: &str) -> Error {
    let way_out = "to apply it all the same, force it (`--force`, `?force=true`)";
    Error::invalid(field, format!("{}. {UNCHANGED}; {way_out}", message.trim_end_matches('.')))
}

/// A service that the binding names and that is not running as this document says.
fn starting_service<'a>(
    before: Option<&Environment>,
    document: &'a Environment,
    binding: &asgard_contract::environment::Binding,
) -> Option<&'a str> {
    let text = serde_json::to_string(binding).unwrap_or_default();
    let running = |name: &str| before.and_then(|before| before.services.get(name));
    let named = |name: &str| text.contains(&format!("${{services.{name}."));
    let mut services = document.services.iter();
    services.find(|(name, service)| named(name) && running(name) != Some(service)).map(|(name, _)| name.as_str())
}

async fn secrets(active: &Active) -> Vec<Finding> {
    let mut uses = secrets_in(&active.document);
    uses.sort();
    let of_document = uses.iter().map(|used| (used.field.clone(), used.name.as_str()));
    let declared = active.document.secrets.keys().map(|name| (format!("secrets.{name}"), name.as_str()));
    let looked_up = of_document.chain(declared).map(|(field, name)| async move {
        let found = active.secrets.get(name).await.map(|_| format!("secret `{name}` is there"));
        Finding::of(field, found)
    });
    join_all(looked_up).await
}

async fn service(active: &Active, name: &str) -> Finding {
    let answers = async {
        let url = active.lender.service_url(name, SERVICE_PATIENCE).await?;
        Ok(format!("service `{name}` answers at {url}"))
    };
    Finding::of(format!("services.{name}"), answers.await)
}

/// All of a list that comes in pages.
async fn all<T, F>(page_at: impl Fn(Page) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<Paged<T>>>,
{
    let mut all = Vec::new();
    loop {
        let page = page_at(Page { limit: PAGE, offset: all.len() as u64 }).await?;
        if page.items.is_empty() {
            return Ok(all);
        }
        all.extend(page.items);
    }
}

/// At most [`PATIENCE`].
async fn patiently<T>(asking: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, asking)
        .await
        .unwrap_or_else(|_| Err(Error::unavailable(format!("no answer within {} s", PATIENCE.as_secs()))))
}
