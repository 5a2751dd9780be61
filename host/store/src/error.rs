//! Errors of the store, and what they are to everyone above it.

use asgard_contract::Error;

/// A result of the store.
pub type StoreResult<T> = Result<T, StoreError>;

/// What the store cannot do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such row.
    #[error("{0}")]
    NotFound(String),
    /// A name, a version or a revision is taken.
    #[error("{0}")]
    Conflict(String),
    /// The lease under which a task was to be written is another's by now: the writer stops, the new holder goes on.
    #[error("the lease of task `{0}` was lost: another worker goes on with it")]
    LeaseLost(String),
    /// The database cannot be used now; it may be later.
    #[error("the database {reason}: {source}")]
    Unavailable {
        reason: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// The data folder, the key file or the database file is not usable, in words that say what to do.
    #[error("{0}")]
    Folder(String),
    /// A row holds what this version cannot read.
    #[error("{what} cannot be read: {reason}")]
    Unreadable { what: String, reason: String },
    /// A defect here, or in the database.
    #[error("the database failed: {0}")]
    Database(#[source] sqlx::Error),
    /// A migration failed.
    #[error("the database cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl StoreError {
    pub(crate) fn unreadable(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Unreadable { what: what.into(), reason: reason.to_string() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        match reason(&source) {
            Some(reason) => Self::Unavailable { reason, source },
            None => Self::Database(source),
        }
    }
}

/// Why the database cannot be used now, where it is of a kind that passes.
fn reason(error: &sqlx::Error) -> Option<&'static str> {
    match error {
        sqlx::Error::PoolTimedOut => Some("is busy"),
        sqlx::Error::Database(error) => {
            // SQLite: the low byte of an extended code is the primary one (https://sqlite.org/rescode.html).
            let code: i64 = error.code()?.parse().ok()?;
            match code & 0xff {
                5 | 6 => Some("is locked by another process"),
                8 => Some("is read-only: check the permissions of the data folder and how its disk is mounted"),
                10 => Some("cannot be read or written"),
                13 => Some("has no room: free some space on the disk of the data folder"),
                14 => Some("file cannot be opened"),
                _ => None,
            }
        }
        _ => None,
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(message) => Self::not_found(message),
            StoreError::Conflict(message) => Self::conflict(message),
            StoreError::LeaseLost(_) | StoreError::Unavailable { .. } => Self::unavailable(error.to_string()),
            StoreError::Folder(_)
            | StoreError::Unreadable { .. }
            | StoreError::Database(_)
            | StoreError::Migration(_) => Self::internal(error.to_string()),
        }
    }
}
