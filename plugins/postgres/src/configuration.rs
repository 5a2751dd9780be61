//! What a source of type `postgres` is configured with. The host has checked it against `schema.json` and filled in the
//! defaults.

use asgard_sdk::connector::Source;
use asgard_sdk::{Error, Result};
use serde::Deserialize;

/// The JSON Schema of the configuration.
pub const SCHEMA: &str = include_str!("schema.json");

/// A source's configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct Configuration {
    /// Name or address.
    pub host: String,
    #[serde(default = "default_port")]
    pub port: u16,
    pub database: String,
    pub username: String,
    /// A reference, `secret://NAME`: the value never comes here.
    pub password: Option<String>,
    #[serde(default)]
    pub ssl_mode: Tls,
    #[serde(default)]
    pub replication_method: Replication,
    /// None, or an empty list: all but the system's.
    #[serde(default)]
    pub schemas: Vec<String>,
}

/// How the connection is protected.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Tls {
    pub mode: TlsMode,
    /// PEM.
    pub ca_certificate: Option<String>,
}

/// As libpq's `sslmode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    Disable,
    Allow,
    Prefer,
    #[default]
    Require,
    VerifyCa,
    VerifyFull,
}

/// How changes are found.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Replication {
    pub method: ReplicationMethod,
    /// One that somebody else made and keeps; without it each ingestion has its own.
    pub publication: Option<String>,
}

/// The values that the API knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum ReplicationMethod {
    #[default]
    Standard,
    #[serde(rename = "CDC")]
    ChangeDataCapture,
}

fn default_port() -> u16 {
    5432
}

impl Configuration {
    /// Reads a source's configuration.
    ///
    /// # Errors
    /// `invalid-input` naming what does not fit.
    pub fn of(source: &Source) -> Result<Self> {
        serde_json::from_str(&source.configuration)
            .map_err(|error| Error::invalid("config", format!("the configuration does not fit: {error}")))
    }

    /// `host:port`, for messages.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Changes are read from the log.
    pub fn captures_changes(&self) -> bool {
        self.replication_method.method == ReplicationMethod::ChangeDataCapture
    }
}
