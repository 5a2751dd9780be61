//! Secrets by name. A configuration carries references, `secret://NAME`; only capabilities resolve them.

use asgard_contract::Result;
use async_trait::async_trait;

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
