//! What the plugin uses of the host. The component lends its capabilities; tests answer from recordings.

use asgard_sdk::context::Level;
use asgard_sdk::kubernetes::{LogOptions, Reference};
use asgard_sdk::{Result, http, processes};

/// The capabilities `http`, `processes`, `kubernetes`, `objects` and `credentials`, as far as they are used. Each as the WIT
/// describes it, with its errors.
#[expect(clippy::missing_errors_doc, reason = "the WIT has them")]
pub trait Host {
    /// One exchange. No status is an error.
    fn send(&self, request: &http::Request) -> Result<http::Response>;

    /// Starts a process; a second call with the key changes nothing.
    fn start(&self, key: &str, spec: &processes::Spec) -> Result<()>;

    /// Whether it runs, or how it ended.
    fn status(&self, key: &str) -> Result<processes::ProcessStatus>;

    /// What it wrote, from `offset`, at most `max` bytes.
    fn output(&self, key: &str, offset: u64, max: u32) -> Result<processes::Chunk>;

    /// Ends it with all that it started, and deletes its folder.
    fn remove(&self, key: &str) -> Result<()>;

    /// Server-side apply of a resource.
    fn apply(&self, manifest: &str) -> Result<String>;

    /// A resource as it is.
    fn get(&self, reference: &Reference) -> Result<String>;

    /// Waits until a resource is another, or the deadline.
    fn watch(&self, reference: &Reference, resource_version: &str, deadline_ms: u32) -> Result<String>;

    /// Deletes a resource; nothing happens if there is none.
    fn delete(&self, reference: &Reference) -> Result<()>;

    /// A pod's log.
    fn logs(&self, namespace: &str, pod: &str, options: &LogOptions) -> Result<String>;

    /// Events about a resource, oldest first.
    fn events(&self, reference: &Reference) -> Result<Vec<String>>;

    /// An object of the environment.
    fn get_object(&self, key: &str) -> Result<Vec<u8>>;

    /// Writes an object.
    fn put_object(&self, key: &str, data: &[u8]) -> Result<()>;

    /// Deletes an object; nothing happens if there is none.
    fn delete_object(&self, key: &str) -> Result<()>;

    /// The secret behind a reference, where the grant lets it out.
    fn reveal(&self, secret: &str) -> Result<String>;

    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);

    /// An event of the task.
    fn event(&self, kind: &str, reason: &str, message: &str);

    /// The task's id: the key under which work is done once.
    fn task_id(&self) -> String;

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;
}
