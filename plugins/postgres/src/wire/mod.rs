//! PostgreSQL's protocol, version 3.0, as far as a reader needs it.

pub mod frontend;
mod messages;
mod server_error;

pub use messages::{Message, MessageStream};
pub use server_error::ServerError;

use asgard_sdk::Error;

/// Why an exchange with the server ended.
#[derive(Debug)]
pub enum Failure {
    /// The server refused a statement; the session is good for the next one.
    Statement(Box<ServerError>),
    /// The session is over.
    Session(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Statement(told) => told.into_error(),
            Failure::Session(error) => error,
        }
    }
}

/// A name in SQL.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in SQL, whatever `standard_conforming_strings` says.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_leave_their_quotes() {
        assert_eq!(quote_identifier("select"), "\"select\"");
        assert_eq!(quote_identifier("a\"; DROP TABLE t --"), "\"a\"\"; DROP TABLE t --\"");
        assert_eq!(quote_literal("O'Brien"), "'O''Brien'");
        assert_eq!(quote_literal("\\'; DROP TABLE t --"), " E'\\\\''; DROP TABLE t --'");
    }
}
