//! What the plugin uses of the host. The component lends its capabilities; tests keep services in memory.

use asgard_sdk::context::Level;
use asgard_sdk::{Result, services};

/// The capabilities `services` and `objects`, as far as they are used. Each as the WIT describes it.
pub trait Host {
    /// Starts the service, or puts another specification beside the one that answers.
    ///
    /// # Errors
    /// `forbidden` when the program is not granted; `not-found` for an object that is none.
    fn ensure(&self, name: &str, spec: &services::Spec) -> Result<()>;

    /// The state of the newest specification.
    ///
    /// # Errors
    /// `not-found` when there is none.
    fn status(&self, name: &str) -> Result<services::ServiceStatus>;

    /// Ends the service.
    ///
    /// # Errors
    /// Those of the host.
    fn remove(&self, name: &str) -> Result<()>;

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

    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;
}
