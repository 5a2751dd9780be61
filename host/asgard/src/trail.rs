//! What is done on the data folder or the database itself, in the audit trail beside what is done through the API.

use anyhow::Result;
use asgard_store::{AuditOutcome, NewAuditEntry, Store};

/// Who did it: whoever can write the data folder.
pub(crate) const AUTHOR: &str = "local";

/// What a command changed.
pub(crate) struct Done<'a> {
    /// Such as `asgard token revoke`.
    pub(crate) command: &'a str,
    /// What it was given: a name.
    pub(crate) name: &'a str,
    pub(crate) environment: Option<&'a str>,
    /// The id of what was changed, where it has one beside its name.
    pub(crate) subject: Option<&'a str>,
}

/// Writes it down.
///
/// # Errors
/// Those of the store.
pub(crate) async fn record(store: &Store, done: Done<'_>) -> Result<()> {
    let entry = NewAuditEntry {
        who: AUTHOR.to_owned(),
        token_id: None,
        method: "CLI".to_owned(),
        route: done.command.to_owned(),
        path: done.name.to_owned(),
        environment: done.environment.map(str::to_owned),
        subject: done.subject.map(str::to_owned),
        outcome: AuditOutcome::Done,
        status: None,
    };
    Ok(store.record(&entry).await.map_err(asgard_contract::Error::from)?)
}
