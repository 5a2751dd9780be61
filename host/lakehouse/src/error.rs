//! Errors of the crates underneath, in the words of the contract.
//!
//! What a user can mend (a full disk, a folder without permission) is told as such and may be tried again; the rest is a
//! defect here or a damaged file, with the crate's own words kept.

use asgard_contract::Error;

/// An error of the Iceberg crate while doing `what`.
pub(crate) fn iceberg(what: impl std::fmt::Display) -> impl FnOnce(iceberg::Error) -> Error {
    move |error| storage(&what, &error)
}

/// An error of files while doing `what`.
pub(crate) fn io(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Error {
    move |error| storage(&what, &error)
}

/// An error of Parquet while doing `what`.
pub(crate) fn parquet(what: impl std::fmt::Display) -> impl FnOnce(parquet::errors::ParquetError) -> Error {
    move |error| storage(&what, &error)
}

/// An error of the catalog's database while doing `what`.
pub(crate) fn catalog(what: impl std::fmt::Display) -> impl FnOnce(sqlx::Error) -> Error {
    move |error| match &error {
        // A busy, full or read-only database is no defect: it passes, or a person mends it.
        sqlx::Error::Database(_) | sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => {
            Error::unavailable(format!("the catalog failed while {what}: {error}"))
        }
        other => Error::internal(format!("the catalog failed while {what}: {other}")),
    }
}

/// A task that was to run beside the asynchronous ones did not come to its end.
pub(crate) fn join(error: tokio::task::JoinError) -> Error {
    Error::internal(format!("a part of the work ended early: {error}"))
}

/// The crates below turn I/O errors into text, so their kind is known by the system's own words alone.
fn storage(what: &dyn std::fmt::Display, error: &dyn std::fmt::Display) -> Error {
    let text = error.to_string();
    let passing = ["No space left on device", "Disk quota exceeded", "Too many open files", "Read-only file system"];
    if passing.iter().any(|words| text.contains(words)) || text.contains("Permission denied") {
        return Error::unavailable(format!("{what} failed: {text}"));
    }
    Error::internal(format!("{what} failed: {text}"))
}

/// What a stream of rows failed with. A contract error that passed through DataFusion comes out as it went in.
pub(crate) fn rows(error: datafusion::error::DataFusionError) -> Error {
    use datafusion::error::DataFusionError;
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(contract) => *contract,
            Err(other) => Error::internal(other.to_string()),
        },
        DataFusionError::Context(_, inner) => rows(*inner),
        DataFusionError::ResourcesExhausted(message) => Error::InvalidInput {
            field: None,
            message: format!("the statement needs more memory than it may have: {message}"),
        },
        other => Error::InvalidInput { field: None, message: other.to_string() },
    }
}
