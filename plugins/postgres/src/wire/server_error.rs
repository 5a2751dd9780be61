//! `ErrorResponse`, and what it means in the contract's errors.

use asgard_sdk::Error;

/// What the server said about a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`, never translated.
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl ServerError {
    /// Reads the body of an `ErrorResponse`.
    pub fn parse(body: &[u8]) -> Self {
        let mut error = Self::default();
        for field in body.split(|byte| *byte == 0) {
            let Some((kind, value)) = field.split_first() else { continue };
            let value = String::from_utf8_lossy(value).into_owned();
            match kind {
                // Servers before 9.6 have the translated severity alone.
                b'S' if error.severity.is_empty() => error.severity = value,
                b'V' => error.severity = value,
                b'C' => error.code = value,
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value),
                _ => {}
            }
        }
        error
    }

    /// Nothing can be asked in this session any more.
    pub fn ends_session(&self) -> bool {
        // A limit that is reached (53400) and a lock that was waited for in vain (55P03) refuse one statement, and whoever made
        // it knows what to do.
        let refuses_one = matches!(self.code.as_str(), "53400" | "55P03");
        matches!(self.severity.as_str(), "FATAL" | "PANIC") || (self.is_passing() && !refuses_one)
    }

    /// The server is busy, starting or going away, or two transactions were in each other's way: the same again may work.
    pub fn is_passing(&self) -> bool {
        let class = self.code.get(..2).unwrap_or_default();
        matches!(class, "08" | "40" | "53")
            || matches!(self.code.as_str(), "55P03" | "57P01" | "57P02" | "57P03" | "57P05")
    }

    /// For a statement that failed.
    pub fn into_error(self) -> Error {
        if self.is_passing() {
            return Error::unavailable(self.to_string());
        }
        match self.code.as_str() {
            "42501" => Error::Forbidden(self.to_string()),
            "42P01" | "3F000" => Error::NotFound(self.to_string()),
            _ => Error::internal(self),
        }
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgreSQL says: {}", self.message)?;
        for more in [&self.detail, &self.hint].into_iter().flatten() {
            write!(f, "; {more}")?;
        }
        write!(f, " (SQLSTATE {})", self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_and_its_code_are_kept() {
        let body = b"SFEHLER\0VERROR\0C42P01\0MRelation \"t\" existiert nicht\0P15\0Fparse_relation.c\0\0";
        let told = ServerError::parse(body);
        assert_eq!((told.severity.as_str(), told.code.as_str()), ("ERROR", "42P01"));
        assert!(!told.ends_session());
        let Error::NotFound(text) = told.into_error() else { panic!() };
        assert_eq!(text, "PostgreSQL says: Relation \"t\" existiert nicht (SQLSTATE 42P01)");
    }

    #[test]
    fn a_server_that_shuts_down_is_unavailable() {
        let told = ServerError::parse(b"VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0");
        assert!(told.ends_session());
        assert!(matches!(told.into_error(), Error::Unavailable(_)));
    }

    #[test]
    fn a_lock_that_is_not_had_ends_a_statement_and_may_be_had_later() {
        let told = ServerError::parse(b"VERROR\0C55P03\0Mcanceling statement due to lock timeout\0\0");
        assert!(!told.ends_session());
        assert!(matches!(told.into_error(), Error::Unavailable(_)));
    }
}
