//! The one error of the contract.

use serde::{Deserialize, Serialize};

/// A result with the contract's error.
pub type Result<T> = std::result::Result<T, Error>;

/// What a plugin, a capability or a part of the host answers when it cannot do what was asked. Messages are
/// for people: what was wrong, what was expected, what to do. Mirrors `asgard:plugin/types.error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Error {
    /// Wrong and will stay wrong. `field` is a path such as `config.host`.
    #[error("{message}")]
    InvalidInput { field: Option<String>, message: String },
    /// The backend did not accept the credentials.
    #[error("{message}")]
    Unauthenticated { message: String },
    /// The backend or the environment's grants do not allow it.
    #[error("{message}")]
    Forbidden { message: String },
    /// What was named does not exist.
    #[error("{message}")]
    NotFound { message: String },
    /// It exists already, or changed meanwhile.
    #[error("{message}")]
    Conflict { message: String },
    /// The backend is away or overloaded; the only kind that is repeated.
    #[error("{message}")]
    Unavailable { message: String, retry_after_ms: Option<u64> },
    /// This plugin cannot do that.
    #[error("{message}")]
    Unsupported { message: String },
    /// A defect, here or in the backend.
    #[error("{message}")]
    Internal { message: String },
}

impl Error {
    /// Wrong input in `field`, a path into the request.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidInput { field: Some(field.into()), message: message.into() }
    }
    /// See [`Error::Unauthenticated`].
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::Unauthenticated { message: message.into() }
    }
    /// See [`Error::Forbidden`].
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::Forbidden { message: message.into() }
    }
    /// See [`Error::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound { message: message.into() }
    }
    /// See [`Error::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict { message: message.into() }
    }
    /// See [`Error::Unavailable`]; without a wish of the backend's own.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), retry_after_ms: None }
    }
    /// See [`Error::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::Unsupported { message: message.into() }
    }
    /// See [`Error::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal { message: message.into() }
    }
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
    /// Puts what it is about before the message, for errors of one among several that were worked on.
    #[must_use]
    pub fn about(mut self, subject: &str) -> Self {
        let (Self::InvalidInput { message, .. }
        | Self::Unauthenticated { message }
        | Self::Forbidden { message }
        | Self::NotFound { message }
        | Self::Conflict { message }
        | Self::Unavailable { message, .. }
        | Self::Unsupported { message }
        | Self::Internal { message }) = &mut self;
        if !message.contains(subject) {
            *message = format!("{subject}: {message}");
        }
        self
    }
    /// Puts `prefix` before the field's path, for errors that cross from a part of a request to the whole.
    #[must_use]
    pub fn in_field(self, prefix: &str) -> Self {
        match self {
            Self::InvalidInput { field, message } => Self::InvalidInput {
                field: Some(match field {
                    Some(field) => format!("{prefix}.{field}"),
                    None => prefix.to_owned(),
                }),
                message,
            },
            other => other,
        }
    }
}
