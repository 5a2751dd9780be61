//! Secrets by name. A configuration carries references, `secret://NAME`; only capabilities resolve them.
//!
//! What was looked up on behalf of a plugin's call is kept out of what that call says: a plugin that was told a secret may log it,
//! and a backend may answer with the credentials that the host attached. See [`Used`].

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use asgard_contract::{Error, Result};
use async_trait::async_trait;

/// What stands in a text in the place of a secret.
pub const MASK: &str = "**********";

/// Shorter values are no secrets, and masking each of their letters would leave no text.
const SHORTEST: usize = 4;

/// Where secrets are kept.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secret's value.
    ///
    /// # Errors
    /// `not-found` with the name and what to do (`asgard secret set NAME`).
    async fn get(&self, environment: &str, name: &str) -> Result<String>;
}

/// The name in `secret://NAME`, or none when the text is no reference.
pub fn reference(text: &str) -> Option<&str> {
    text.strip_prefix("secret://").filter(|name| !name.is_empty())
}

/// Secrets that were looked up for one call. Values are compared as they are: one that was encoded on the way (Base64, a URL) is not
/// recognised.
#[derive(Clone, Default)]
pub struct Used(Arc<RwLock<BTreeSet<String>>>);

impl Used {
    fn note(&self, value: &str) {
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // An S3 key is two in one, and the second half is the secret one.
        let parts = [value.trim(), value.split_once(':').map_or("", |(_, secret)| secret.trim())];
        values.extend(parts.into_iter().filter(|part| part.len() >= SHORTEST).map(str::to_owned));
    }

    /// The text with [`MASK`] in the place of every secret.
    pub fn conceal<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let values = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // Longest first: one may be the start of another.
        let mut found: Vec<&String> = values.iter().filter(|value| text.contains(value.as_str())).collect();
        found.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let mask = |text: Cow<'a, str>, value: &String| Cow::Owned(text.replace(value.as_str(), MASK));
        found.into_iter().fold(Cow::Borrowed(text), mask)
    }

    /// An error without secrets in its words.
    #[must_use]
    pub fn conceal_error(&self, error: Error) -> Error {
        let clean = |message: String| self.conceal(&message).into_owned();
        match error {
            Error::InvalidInput { field, message } => Error::InvalidInput { field, message: clean(message) },
            Error::Unauthenticated { message } => Error::Unauthenticated { message: clean(message) },
            Error::Forbidden { message } => Error::Forbidden { message: clean(message) },
            Error::NotFound { message } => Error::NotFound { message: clean(message) },
            Error::Conflict { message } => Error::Conflict { message: clean(message) },
            Error::Unavailable { message, retry_after_ms } => {
                Error::Unavailable { message: clean(message), retry_after_ms }
            }
            Error::Unsupported { message } => Error::Unsupported { message: clean(message) },
            Error::Internal { message } => Error::Internal { message: clean(message) },
        }
    }
}

/// Secrets that are noted as they are looked up.
pub(crate) struct Noting {
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) used: Used,
}

#[async_trait]
impl Secrets for Noting {
    async fn get(&self, environment: &str, name: &str) -> Result<String> {
        let value = self.secrets.get(environment, name).await?;
        self.used.note(&value);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_were_used_are_masked_wherever_they_stand() {
        let used = Used::default();
        for value in ["hunter2", "hunter2-longer", "AKIA:wJalr/key", "abc", " \n"] {
            used.note(value);
        }
        for (text, expected) in [
            ("nothing", "nothing"),
            ("login hunter2 failed: hunter2", "login ********** failed: **********"),
            ("hunter2-longer", "**********"),
            ("signed with wJalr/key", "signed with **********"),
            ("abc stays", "abc stays"),
        ] {
            assert_eq!(used.conceal(text), expected);
        }
        let error = used.conceal_error(Error::invalid("config.password", "`hunter2` is wrong"));
        assert_eq!(error, Error::invalid("config.password", "`**********` is wrong"));
    }
}
