//! What the plugin uses of the host. The component lends its capabilities; tests answer from recordings.

use asgard_sdk::context::Level;
use asgard_sdk::{Result, TableName, http, lakehouse, processes};

/// The capabilities `lakehouse`, `objects`, `http`, `processes` and `key-value`, as far as they are used. Each as the WIT describes
/// it.
pub trait Host {
    /// One exchange.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`, `invalid-input`; never because of a status.
    fn send(&self, request: &http::Request) -> Result<http::Response>;

    /// A table as it is now.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    fn describe(&self, table: &TableName) -> Result<lakehouse::Table>;

    /// The columns of a statement's result.
    ///
    /// # Errors
    /// `invalid-input` when it does not fit.
    fn plan(&self, statement: &lakehouse::Statement) -> Result<lakehouse::QueryPlan>;

    /// Starts a statement; a second call with the key changes nothing.
    ///
    /// # Errors
    /// `invalid-input` when it does not fit.
    fn submit(&self, key: &str, statement: &lakehouse::Statement, output: &lakehouse::Output) -> Result<()>;

    /// How far a statement is.
    ///
    /// # Errors
    /// `not-found` when this host does not know the key: submit again.
    fn poll(&self, key: &str) -> Result<lakehouse::Status>;

    /// Ends a statement.
    ///
    /// # Errors
    /// Those of the host.
    fn cancel(&self, key: &str) -> Result<()>;

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

    /// Deletes an object; nothing happens if there is none.
    ///
    /// # Errors
    /// Those of the storage.
    fn delete_object(&self, key: &str) -> Result<()>;

    /// Where others reach an object.
    ///
    /// # Errors
    /// `invalid-input` for a key that is none.
    fn location(&self, key: &str) -> Result<String>;

    /// A small value that is kept.
    ///
    /// # Errors
    /// Those of the host.
    fn get_value(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>>;

    /// Keeps a small value.
    ///
    /// # Errors
    /// Those of the host.
    fn set_value(&self, bucket: &str, key: &str, value: &[u8]) -> Result<()>;

    /// Forgets all values of a bucket.
    ///
    /// # Errors
    /// Those of the host.
    fn forget_values(&self, bucket: &str) -> Result<()>;

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

    /// Copies a file of its folder to an object.
    ///
    /// # Errors
    /// `not-found` when there is none.
    fn store_file(&self, key: &str, path: &str, object: &str) -> Result<()>;

    /// Ends it with all that it started, and deletes its folder.
    ///
    /// # Errors
    /// Those of the host.
    fn remove(&self, key: &str) -> Result<()>;

    /// The task's id: the same in every step.
    fn task_id(&self) -> String;

    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;

    /// Waits within a call.
    fn pause(&self, milliseconds: u32);
}
