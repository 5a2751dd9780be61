//! What the plugin uses of the host. The component lends its capabilities; tests answer from recordings.

use asgard_sdk::context::Level;
use asgard_sdk::{Result, http};

/// The capabilities `http` and `key-value`, as far as they are used.
pub trait Host {
    /// One exchange.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`, `invalid-input`; never because of a status.
    fn send(&self, request: &http::Request) -> Result<http::Response>;

    /// A value that was remembered.
    ///
    /// # Errors
    /// `forbidden` without the grant.
    fn recall(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>>;

    /// Remembers a value.
    ///
    /// # Errors
    /// `forbidden` without the grant.
    fn remember(&self, bucket: &str, key: &str, value: &[u8]) -> Result<()>;

    /// Forgets all values of a bucket.
    ///
    /// # Errors
    /// `forbidden` without the grant.
    fn forget(&self, bucket: &str) -> Result<()>;

    /// How often the ingestion that this is about was reset.
    fn resets(&self) -> u32;

    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);
}
