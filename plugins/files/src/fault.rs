//! What is wrong with a file, and where.

use std::io;

use asgard_sdk::Error;

/// Why a file cannot be read on.
#[derive(Debug)]
pub enum Fault {
    /// The file is not as it should be: the place, and what to do. The same the next time.
    Content(String),
    /// Its location does not give it: the location's own error.
    Location(Error),
}

impl Fault {
    /// A fault of the content.
    pub fn content(message: impl Into<String>) -> Self {
        Self::Content(message.into())
    }

    /// As the contract's error; `file` is named.
    pub fn into_error(self, file: &str) -> Error {
        match self {
            Self::Content(message) => Error::invalid("files", format!("`{file}`: {message}")),
            Self::Location(error) => error,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Location(error)
    }
}

impl From<io::Error> for Fault {
    /// The location's error, if it is one; else what a decoder says about the bytes.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(error) => Self::Location(error),
            Err(error) => Self::Content(error.to_string()),
        }
    }
}
