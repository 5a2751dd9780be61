//! The binding's configuration; `plugin.toml` has its schema.

use serde::Deserialize;

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The MLflow server's URL.
    pub tracking_uri: String,
    /// The granted program that runs scripts.
    #[serde(default = "python")]
    pub program: String,
    /// Address space of each process of a script, MiB.
    #[serde(default)]
    pub memory_mb: Option<u64>,
    /// Of one request to the server.
    #[serde(default = "half_a_minute")]
    pub request_timeout_seconds: u32,
}

fn python() -> String {
    "python".to_owned()
}

fn half_a_minute() -> u32 {
    30
}
