//! What the plugin uses of the host. The component lends its capabilities; tests answer from recordings.

use asgard_sdk::context::Level;
use asgard_sdk::{Result, http, processes};
use asgard_workloads::cluster::Cluster;

/// The capabilities `http`, `processes`, `kubernetes` and `objects`, as far as they are used. Each as the WIT describes it.
pub trait Host: Cluster {
    /// One exchange.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`, `invalid-input`; never because of a status.
    fn send(&self, request: &http::Request) -> Result<http::Response>;

    /// Starts a process; a second call with the key changes nothing.
    ///
    /// # Errors
    /// `forbidden` when the program is not granted; those of making the folder.
    fn start(&self, key: &str, spec: &processes::Spec) -> Result<()>;

    /// Whether it runs, or how it ended.
    ///
    /// # Errors
    /// `not-found` when there is none.
    fn status(&self, key: &str) -> Result<processes::ProcessStatus>;

    /// What it wrote, from `offset`, at most `max` bytes.
    ///
    /// # Errors
    /// `not-found` when there is none.
    fn output(&self, key: &str, offset: u64, max: u32) -> Result<processes::Chunk>;

    /// A file of its folder.
    ///
    /// # Errors
    /// `not-found` when there is none.
    fn read_file(&self, key: &str, path: &str) -> Result<Vec<u8>>;

    /// Ends it with all that it started, and deletes its folder.
    ///
    /// # Errors
    /// Those of the host.
    fn remove(&self, key: &str) -> Result<()>;

    /// An object's content.
    ///
    /// # Errors
    /// `not-found` when there is none.
    fn get_object(&self, key: &str) -> Result<Vec<u8>>;

    /// Where others reach an object.
    ///
    /// # Errors
    /// `invalid-input` for a key that is none.
    fn location(&self, key: &str) -> Result<String>;

    /// Writes an object.
    ///
    /// # Errors
    /// Those of the storage.
    fn put_object(&self, key: &str, data: &[u8]) -> Result<()>;

    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;
}
