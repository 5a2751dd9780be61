//! The binding's configuration, as the manifest's schema describes it.

use std::collections::BTreeMap;

use asgard_sdk::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// Where the public API is below a server of one's own.
const PUBLIC: &str = "/api/public/v1";

/// The server, and what it is used for.
#[derive(Debug, Clone, Deserialize)]
pub struct Configuration {
    pub url: String,
    #[serde(default)]
    pub configuration_url: Option<String>,
    pub workspace_id: String,
    pub destination: Destination,
    #[serde(default)]
    pub catalog: Catalog,
    #[serde(default)]
    pub connectors: BTreeMap<String, Connector>,
    pub poll_seconds: u32,
    pub request_timeout_seconds: u32,
}

/// What Airbyte writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    S3DataLake,
    S3,
}

/// The catalog of Iceberg tables.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Catalog {
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub uri: Option<String>,
    #[serde(default)]
    pub warehouse: Option<String>,
    #[serde(default)]
    pub branch: Option<String>,
    #[serde(default)]
    pub token: Option<String>,
}

/// A further type of sources.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Connector {
    #[serde(default)]
    pub source_type: Option<String>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub schema: Option<Value>,
}

impl Configuration {
    /// The public API, without a slash at its end.
    pub fn public(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// The server's own API.
    ///
    /// # Errors
    /// `invalid-input` when nobody says where it is.
    pub fn own(&self) -> Result<String> {
        if let Some(url) = &self.configuration_url {
            return Ok(url.trim_end_matches('/').to_owned());
        }
        let server = self.public().strip_suffix(PUBLIC).ok_or_else(|| {
            Error::invalid(
                "configuration.configuration_url",
                format!("`url` does not end with `{PUBLIC}`, so the server's own API has to be named, such as `https://HOST/api/v1`"),
            )
        })?;
        Ok(format!("{server}/api/v1"))
    }
}
