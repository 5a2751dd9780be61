//! Errors of the store, and what they are to everyone above it.

use asgard_contract::Error;
use sqlx::postgres::PgDatabaseError;

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
        sqlx::Error::PoolTimedOut => Some("does not answer in time: it is busy, or the server is away"),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            Some("cannot be reached: look whether the server runs")
        }
        sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => reason_of_postgres(error.code()),
            None => reason_of_sqlite(error.code()?.parse().ok()?),
        },
        _ => None,
    }
}

/// The low byte of an extended code is the primary one (<https://sqlite.org/rescode.html>).
fn reason_of_sqlite(code: i64) -> Option<&'static str> {
    match code & 0xff {
        5 | 6 => Some("is locked by another process"),
        8 => Some("is read-only: check the permissions of the data folder and how its disk is mounted"),
        10 => Some("cannot be read or written"),
        13 => Some("has no room: free some space on the disk of the data folder"),
        14 => Some("file cannot be opened"),
        _ => None,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn reason_of_postgres(code: &str) -> Option<&'static str> {
    match code {
        "25006" => Some("is read-only: name the primary server in `--database-url`"),
        "53100" => Some("has no room: free some space on the disk of the PostgreSQL server"),
        "53300" => Some("has no session left: raise `max_connections` of the server, or stop other clients"),
        "40001" | "40P01" | "55P03" | "57014" => Some("is locked by another session"),
        "25P03" | "57P01" | "57P02" | "57P03" | "57P05" => Some("is restarting, or ended this session"),
        _ if code.starts_with("08") || code.starts_with("53") || code.starts_with("58") => {
            Some("cannot work: its own log tells more")
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
