//! Short ways to make the contract's errors.

use crate::types::{Error, InvalidInput, Unavailable};

/// A result with the contract's error.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Wrong input in `field`, a path into the request or the configuration.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidInput(InvalidInput { field: Some(field.into()), message: message.into() })
    }

    /// The backend is away; the host repeats the call.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable(Unavailable { message: message.into(), retry_after_ms: None })
    }

    /// A defect, with what happened.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self::Internal(message.to_string())
    }

    /// What it says to people, whichever error it is.
    pub fn words(&self) -> &str {
        match self {
            Self::InvalidInput(input) => &input.message,
            Self::Unavailable(away) => &away.message,
            Self::Unauthenticated(message)
            | Self::Forbidden(message)
            | Self::NotFound(message)
            | Self::Conflict(message)
            | Self::Unsupported(message)
            | Self::Internal(message) => message,
        }
    }
}
