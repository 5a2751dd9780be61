//! What the plugin uses of the host. The component lends its capabilities; tests answer from recordings.

use asgard_sdk::context::Level;
use asgard_sdk::{Result, http};
use asgard_workloads::cluster::Cluster;

/// The capabilities `kubernetes`, `http` and `objects`, as far as they are used. Each as the WIT describes it.
pub trait Host: Cluster {
    /// One exchange, with the grant's credential or the one named.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`, `invalid-input`; never because of a status.
    fn send(&self, request: &http::Request, credential: Option<&http::Credential>) -> Result<http::Response>;

    /// An object's content.
    ///
    /// # Errors
    /// `not-found` when there is none.
    fn get_object(&self, key: &str) -> Result<Vec<u8>>;

    /// Writes an object.
    ///
    /// # Errors
    /// Those of the storage.
    fn put_object(&self, key: &str, data: &[u8]) -> Result<()>;

    /// Deletes an object.
    ///
    /// # Errors
    /// Those of the storage.
    fn delete_object(&self, key: &str) -> Result<()>;

    /// Where others reach an object.
    ///
    /// # Errors
    /// `invalid-input` for a key that is none.
    fn location(&self, key: &str) -> Result<String>;

    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;
}
