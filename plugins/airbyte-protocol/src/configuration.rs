//! The binding's configuration, as the manifest's schema describes it.

use std::collections::BTreeMap;

use asgard_sdk::connector::Source;
use asgard_sdk::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// Which connectors the binding names.
#[derive(Debug, Clone, Deserialize)]
pub struct Configuration {
    pub connectors: BTreeMap<String, Definition>,
    pub command_timeout_seconds: u64,
    pub sync_timeout_hours: u64,
}

/// How a connector is run.
#[derive(Debug, Clone, Deserialize)]
pub struct Definition {
    pub program: String,
    #[serde(default)]
    pub script: Option<String>,
    #[serde(default)]
    pub arguments: Vec<String>,
    #[serde(default)]
    pub options: Vec<String>,
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub schema: Option<Value>,
    #[serde(default)]
    pub mismatch: Mismatch,
    #[serde(default)]
    pub states: States,
    #[serde(default)]
    pub memory_mb: Option<u64>,
}

/// What becomes of a value that does not fit its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    #[default]
    Fail,
    Null,
}

/// Which states of a connector may be gone on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum States {
    /// The last one of a run. What no connector gets wrong.
    #[default]
    Final,
    /// Any; records may come again.
    Repeatable,
    /// Any, and none comes again.
    Exact,
}

/// One connector, with the limits that its processes have.
#[derive(Debug, Clone)]
pub struct Connector {
    /// The type of source that it serves.
    pub name: String,
    pub definition: Definition,
    /// Of `spec`, `check` and `discover`.
    pub command_ms: u64,
    /// Of `read`.
    pub sync_ms: u64,
}

impl Configuration {
    /// All connectors, by name.
    pub fn connectors(&self) -> impl Iterator<Item = Connector> {
        self.connectors.iter().map(|(name, definition)| Connector {
            name: name.clone(),
            definition: definition.clone(),
            command_ms: self.command_timeout_seconds.saturating_mul(1000),
            sync_ms: self.sync_timeout_hours.saturating_mul(3_600_000),
        })
    }

    /// The connector of a source.
    ///
    /// # Errors
    /// `not-found` when the binding names it no more; `invalid-input` for a configuration that no connector reads.
    pub fn connector_of(&self, source: &Source) -> Result<Connector> {
        if serde_json::from_str::<serde_json::Map<String, Value>>(&source.configuration).is_err() {
            return Err(Error::invalid("config", "the configuration of a source is an object"));
        }
        self.connectors().find(|connector| connector.name == source.source_type).ok_or_else(|| {
            let names: Vec<&str> = self.connectors.keys().map(String::as_str).collect();
            Error::NotFound(format!(
                "the binding has no connector `{}`: there are {}; add it to `configuration.connectors`",
                source.source_type,
                names.join(", ")
            ))
        })
    }
}
