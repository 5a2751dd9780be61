//! What a catalog request can fail with, in the protocol's own words.

use asgard_contract::{Error, TableName};

/// A result with the protocol's error.
pub type RestResult<T> = Result<T, RestError>;

/// An error of the protocol. Each has a type that clients turn into an exception of the same name.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    #[error("there is no namespace `{0}`")]
    NoSuchNamespace(String),
    #[error("there is no table `{0}`")]
    NoSuchTable(TableName),
    #[error("there is no view `{0}`")]
    NoSuchView(TableName),
    #[error("{0} exists already")]
    AlreadyExists(String),
    #[error("namespace `{0}` has tables or views: drop or move them first")]
    NamespaceNotEmpty(String),
    /// A requirement was not met, or too many commits came in between. Nothing has changed.
    #[error("{0}")]
    CommitFailed(String),
    /// The commit may have been made or not.
    #[error("it is not known whether the commit was made: {0}")]
    CommitStateUnknown(String),
    #[error("{0}")]
    BadRequest(String),
    /// The protocol has it, this catalog has not.
    #[error("{0}")]
    Unsupported(String),
    #[error(transparent)]
    Other(#[from] Error),
}

impl RestError {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::BadRequest(message.into())
    }

    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::Unsupported(message.into())
    }
}

/// An error of the Iceberg crate about what the client sent.
impl From<iceberg::Error> for RestError {
    fn from(error: iceberg::Error) -> Self {
        let message = error.message().to_owned();
        match error.kind() {
            iceberg::ErrorKind::CatalogCommitConflicts => Self::CommitFailed(message),
            iceberg::ErrorKind::FeatureUnsupported => Self::Unsupported(message),
            _ => Self::BadRequest(message),
        }
    }
}
