//! What the plugin uses of the host. The component lends its capabilities; tests answer from recordings.

use asgard_sdk::context::Level;
use asgard_sdk::{Result, http, kubernetes, processes};

/// The capabilities `http`, `processes` and `kubernetes`, as far as they are used. Each as the WIT describes it.
pub trait Host {
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

    /// Server-side apply; answers with the resource.
    ///
    /// # Errors
    /// `forbidden` when namespace, kind or verb is not granted; those of the cluster.
    fn apply(&self, manifest: &str) -> Result<String>;

    /// A JSON merge patch; answers with the resource.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and `not-found`.
    fn patch(&self, reference: &kubernetes::Reference, patch: &str) -> Result<String>;

    /// One resource.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and `not-found`.
    fn get(&self, reference: &kubernetes::Reference) -> Result<String>;

    /// Resources by label.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    fn list(&self, api_version: &str, kind: &str, namespace: &str, selector: &str) -> Result<Vec<String>>;

    /// Deletes; nothing happens if there is none.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    fn delete(&self, reference: &kubernetes::Reference) -> Result<()>;

    /// All that a pod has written.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and `not-found`.
    fn logs(&self, namespace: &str, pod: &str) -> Result<String>;

    /// The environment's name.
    fn environment(&self) -> String;

    /// The task's id: the same in every step.
    fn task_id(&self) -> String;

    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);

    /// An event of the task: `kind` is `Normal` or `Warning`.
    fn event(&self, kind: &str, reason: &str, message: &str);

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;
}
