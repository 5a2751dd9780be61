//! What the plugin uses of the host. The component lends its capabilities; tests answer from recordings.

use asgard_sdk::context::Level;
use asgard_sdk::{Result, processes};

/// The capability `processes`, as far as it is used, and the context. Each as the WIT describes it.
pub trait Host {
    /// Starts a process; a second call with the key changes nothing.
    ///
    /// # Errors
    /// `forbidden` when the program is not granted; `unavailable` while it is being made ready.
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

    /// Ends it with all that it started, and deletes its folder. Nothing happens if there is none.
    ///
    /// # Errors
    /// Those of the host.
    fn remove(&self, key: &str) -> Result<()>;

    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);

    /// An event of the task that somebody should look at.
    fn warn(&self, reason: &str, message: &str);

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;

    /// Waits.
    fn sleep_ms(&self, milliseconds: u64);

    /// A key of a process that no other call has.
    fn unique_key(&self, what: &str) -> String;
}
