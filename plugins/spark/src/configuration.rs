//! The binding's configuration; `plugin.toml` has its schema. What a way lacks is refused by its field.

use std::collections::BTreeMap;

use asgard_sdk::{Error, Result};
use serde::Deserialize;

/// How runs get to Spark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Operator,
    Standalone,
    Connect,
}

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    pub mode: Mode,
    #[serde(default)]
    pub catalog_uri: Option<String>,
    #[serde(default)]
    pub catalog_warehouse: Option<String>,
    #[serde(default)]
    pub catalog_token: Option<String>,
    #[serde(default)]
    pub catalog_credential: Option<String>,
    #[serde(default)]
    pub s3_endpoint: Option<String>,
    #[serde(default)]
    pub s3_region: Option<String>,
    #[serde(default)]
    pub access_key_id: Option<String>,
    #[serde(default)]
    pub secret_access_key: Option<String>,
    #[serde(default)]
    pub spark_conf: BTreeMap<String, String>,
    #[serde(default = "six_hours")]
    pub timeout_seconds: u64,
    #[serde(default = "half_a_minute")]
    pub request_timeout_seconds: u32,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub master: Option<String>,
    #[serde(default)]
    pub master_ui: Option<String>,
    #[serde(default)]
    pub job_program: Option<String>,
    #[serde(default = "spark_client")]
    pub program: String,
    #[serde(default = "a_minute")]
    pub connect_seconds: u64,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub image: Option<String>,
    #[serde(default = "if_not_present")]
    pub image_pull_policy: String,
    #[serde(default)]
    pub image_pull_secrets: Vec<String>,
    #[serde(default = "newest")]
    pub spark_version: String,
    #[serde(default = "spark")]
    pub service_account: String,
    #[serde(default)]
    pub credentials_secret: Option<String>,
    #[serde(default = "ten_minutes")]
    pub start_seconds: u64,
    #[serde(default = "an_hour")]
    pub keep_seconds: u64,
}

impl Configuration {
    /// A field that the way needs.
    ///
    /// # Errors
    /// `invalid-input` with the field.
    pub fn needed<'a>(&self, field: &str, value: &'a Option<String>) -> Result<&'a str> {
        told(value).ok_or_else(|| {
            Error::invalid(
                format!("configuration.{field}"),
                format!("`mode = \"{}\"` needs `{field}`: add it to the binding's configuration", self.mode_name()),
            )
        })
    }

    /// As the configuration writes it.
    pub fn mode_name(&self) -> &'static str {
        match self.mode {
            Mode::Operator => "operator",
            Mode::Standalone => "standalone",
            Mode::Connect => "connect",
        }
    }

    /// Variables of the driver's environment that hold secrets, by reference.
    ///
    /// # Errors
    /// `invalid-input` for a key without its other half, and for a secret that is no reference.
    pub fn secrets(&self) -> Result<Vec<(&'static str, String)>> {
        let (id, key) = (told(&self.access_key_id), told(&self.secret_access_key));
        match (id, key) {
            (Some(_), None) => return Err(half("secret_access_key", "access_key_id")),
            (None, Some(_)) => return Err(half("access_key_id", "secret_access_key")),
            _ => {}
        }
        let mut secrets = Vec::new();
        for (variable, field, value) in [
            ("AWS_ACCESS_KEY_ID", "access_key_id", id),
            ("AWS_SECRET_ACCESS_KEY", "secret_access_key", key),
            ("ICEBERG_TOKEN", "catalog_token", told(&self.catalog_token)),
            ("ICEBERG_CREDENTIAL", "catalog_credential", told(&self.catalog_credential)),
        ] {
            let Some(value) = value else { continue };
            if variable != "AWS_ACCESS_KEY_ID" && !value.starts_with(REFERENCE) {
                return Err(Error::invalid(
                    format!("configuration.{field}"),
                    format!(
                        "expected a reference to a secret, `{REFERENCE}NAME`: the value itself belongs into the secret"
                    ),
                ));
            }
            secrets.push((variable, value.to_owned()));
        }
        Ok(secrets)
    }
}

/// Before a secret's name.
pub const REFERENCE: &str = "secret://";

/// A value that says something: an environment without a bucket or a warehouse fills nothing in before the part of a secret.
pub fn told(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty() && !value.starts_with('#'))
}

fn half(missing: &str, there: &str) -> Error {
    Error::invalid(
        format!("configuration.{missing}"),
        format!("`{there}` is there without `{missing}`: keys have both"),
    )
}

fn six_hours() -> u64 {
    21_600
}

fn an_hour() -> u64 {
    3600
}

fn ten_minutes() -> u64 {
    600
}

fn a_minute() -> u64 {
    60
}

fn half_a_minute() -> u32 {
    30
}

fn spark_client() -> String {
    "spark-client".to_owned()
}

fn if_not_present() -> String {
    "IfNotPresent".to_owned()
}

fn newest() -> String {
    "4.1.4".to_owned()
}

fn spark() -> String {
    "spark".to_owned()
}
