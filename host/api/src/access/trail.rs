//! What goes into the audit trail: requests that change something, and refused ones.
//!
//! An entry is written when the answer is known and before it is sent, in a task of its own: a client that hangs up does not
//! keep its request out of the trail, and one that hung up before the answer is in it as abandoned. A host that is killed in
//! the middle of a request leaves no entry of it. An entry that the database does not take is in the host's log.

use std::sync::{Mutex, PoisonError};

use asgard_store::{AuditOutcome, AuditRetention, NewAuditEntry, Store};
use axum::http::StatusCode;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Longer paths name nothing; a stranger may send them.
const LONGEST_PATH: usize = 500;

/// Where entries go, and how many stay.
pub(super) struct Trail {
    store: Store,
    retention: AuditRetention,
    writing: Mutex<JoinSet<()>>,
}

/// A request whose entry is not written yet.
pub(super) struct Pending<'t> {
    trail: &'t Trail,
    entry: Option<NewAuditEntry>,
}

impl Trail {
    pub(super) fn new(store: Store, retention: AuditRetention) -> Self {
        Self { store, retention, writing: Mutex::default() }
    }

    /// Dropped before it has ended, the request was abandoned.
    pub(super) fn begin(&self, mut entry: NewAuditEntry) -> Pending<'_> {
        entry.outcome = AuditOutcome::Abandoned;
        if let Some((longest, _)) = entry.path.char_indices().nth(LONGEST_PATH) {
            entry.path.truncate(longest);
        }
        Pending { trail: self, entry: Some(entry) }
    }

    fn write(&self, entry: NewAuditEntry) -> oneshot::Receiver<()> {
        let (written, done) = oneshot::channel();
        let store = self.store.clone();
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        while writing.try_join_next().is_some() {}
        writing.spawn(async move {
            if let Err(error) = store.record(&entry).await {
                tracing::error!(%error, ?entry, "an entry of the audit trail could not be stored");
            }
            // Nobody waits for that of a client that hung up.
            let _ = written.send(());
        });
        done
    }

    /// Removes what is not kept any more.
    pub(super) async fn trim(&self) {
        match self.store.trim_audit_trail(self.retention).await {
            Ok(0) => {}
            Ok(entries) => tracing::info!(entries, "old entries of the audit trail were removed"),
            Err(error) => tracing::warn!(%error, "old entries of the audit trail could not be removed"),
        }
    }

    /// Waits for entries that are being written.
    pub(super) async fn finish(&self) {
        let mut writing = std::mem::take(&mut *self.writing.lock().unwrap_or_else(PoisonError::into_inner));
        while writing.join_next().await.is_some() {}
    }
}

impl Pending<'_> {
    /// The request was answered; `subject` is the id of what it made.
    pub(super) async fn end(mut self, status: StatusCode, subject: Option<String>) {
        let Some(mut entry) = self.entry.take() else { return };
        entry.outcome = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => AuditOutcome::Refused,
            status if status.is_client_error() || status.is_server_error() => AuditOutcome::Failed,
            _ => AuditOutcome::Done,
        };
        entry.status = Some(status.as_u16());
        entry.subject = subject;
        // The sender is only gone without a word when the runtime ends.
        let _ = self.trail.write(entry).await;
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            drop(self.trail.write(entry));
        }
    }
}
