//! The binding's configuration; `plugin.toml` has its schema.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The registry server's URL.
    pub registry: String,
    /// The feature server's URL.
    pub feature_server: String,
    pub project: String,
    /// The granted program that runs Feast's SDK.
    #[serde(default = "feast")]
    pub program: String,
    /// Of `feature_store.yaml`.
    pub store: Map<String, Value>,
    /// Variable -> value, or `secret://NAME`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Empty: AWS's own, or no bucket at all.
    #[serde(default)]
    pub s3_endpoint: String,
    /// Of one request to a server.
    #[serde(default = "a_minute")]
    pub request_timeout_seconds: u32,
    /// Of one run of the SDK.
    #[serde(default = "an_hour")]
    pub timeout_seconds: u64,
}

impl Configuration {
    /// The `type` of a part of the store, as Feast calls it.
    pub fn type_of(&self, part: &str, otherwise: &str) -> String {
        let found = match &self.store.get(part) {
            Some(Value::Object(settings)) => {
                settings.get("type").or_else(|| settings.get("registry_type")).and_then(Value::as_str)
            }
            _ => None,
        };
        found.unwrap_or(otherwise).to_owned()
    }
}

fn feast() -> String {
    "feast".to_owned()
}

fn a_minute() -> u32 {
    60
}

fn an_hour() -> u64 {
    3600
}
