//! Where a plugin's log lines and events go.

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Receives what a call logs. Must not block: a sink buffers, its owner stores.
pub trait LogSink: Send + Sync {
    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);
    /// An event as Kubernetes has them: `kind` is `Normal` or `Warning`, `reason` one CamelCase word.
    fn event(&self, kind: &str, reason: &str, message: &str);
}

/// Drops everything; for calls that belong to no task.
#[derive(Debug, Default)]
pub struct Discard;

impl LogSink for Discard {
    fn log(&self, _: Level, _: &str) {}
    fn event(&self, _: &str, _: &str, _: &str) {}
}
