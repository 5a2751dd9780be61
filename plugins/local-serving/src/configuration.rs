//! The binding's configuration; `plugin.toml` has its schema.

use serde::Deserialize;

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The granted program that serves.
    #[serde(default = "python")]
    pub program: String,
    /// Address space of each process of a service, MiB.
    #[serde(default)]
    pub memory_mb: Option<u64>,
    /// Until a model answers.
    #[serde(default = "five_minutes")]
    pub ready_timeout_seconds: u32,
}

fn python() -> String {
    "python".to_owned()
}

fn five_minutes() -> u32 {
    300
}
