//! The binding's configuration; `plugin.toml` has its schema.

use std::collections::BTreeMap;

use asgard_sdk::json::{Map, Value};
use asgard_sdk::transform::Materialization;
use asgard_sdk::{Error, Result};
use serde::Deserialize;

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    pub url: String,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default = "user")]
    pub user: String,
    #[serde(default = "catalog")]
    pub catalog: String,
    #[serde(default)]
    pub vars: Map<String, Value>,
    #[serde(default)]
    pub session: BTreeMap<String, String>,
    #[serde(default)]
    pub table_properties: bool,
    #[serde(default = "half_a_minute")]
    pub request_timeout_seconds: u32,
    #[serde(default = "an_hour")]
    pub timeout_seconds: u64,
    #[serde(default = "program")]
    pub program: String,
    #[serde(default)]
    pub authentication: Authentication,
    /// A reference to a secret.
    #[serde(default)]
    pub password: Option<String>,
    #[serde(default)]
    pub job: Option<Job>,
    #[serde(default)]
    pub audit_catalog: BTreeMap<String, String>,
    /// Empty but in a run that is audited.
    #[serde(default)]
    pub branch: String,
    /// The binding's catalog, where `catalog` is that of a run's branch.
    #[serde(skip)]
    pub home: Option<String>,
}

/// Who runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Dbt,
    Statements,
}

/// How dbt says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Authentication {
    #[default]
    None,
    Ldap,
    Jwt,
}

/// The Kubernetes Job that dbt runs in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub image: String,
    pub namespace: String,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub service_account: Option<String>,
    #[serde(default = "cpu")]
    pub cpu: String,
    #[serde(default = "memory")]
    pub memory: String,
    #[serde(default = "an_hour")]
    pub ttl_seconds: u64,
}

impl Configuration {
    /// What the schema cannot say.
    ///
    /// # Errors
    /// `invalid-input` with the field.
    pub fn check(&self) -> Result<()> {
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            return Err(Error::invalid(
                "configuration.url",
                format!("`{}` is no address of a server: expected `http://…` or `https://…`", self.url),
            ));
        }
        if self.password.as_deref().is_some_and(|password| !password.starts_with("secret://")) {
            return Err(Error::invalid("configuration.password", "expected a reference to a secret: `secret://NAME`"));
        }
        if let Some((name, _)) = self.audit_catalog.iter().find(|(_, value)| value.contains("secret://")) {
            return Err(Error::invalid(
                format!("configuration.audit_catalog.{name}"),
                "Trino logs the statement that makes a catalog, and shows it: write `${ENV:NAME}`, a variable of Trino's own nodes",
            ));
        }
        // dbt's profile takes a user with a password, or a token, only over TLS.
        let url = self.job.as_ref().and_then(|job| job.url.as_deref()).unwrap_or(&self.url);
        if self.mode == Mode::Dbt && self.authentication != Authentication::None && !url.starts_with("https://") {
            return Err(Error::invalid(
                "configuration.authentication",
                format!("dbt sends passwords and tokens over TLS only: `{url}` has to be an `https://` address"),
            ));
        }
        Ok(())
    }

    /// The catalog of the session that a model is run in: what its names without one mean.
    pub fn session_catalog(&self, materialization: Materialization) -> &str {
        match (&self.home, materialization) {
            (Some(home), Materialization::View) => home,
            _ => &self.catalog,
        }
    }
}

fn user() -> String {
    "asgard".to_owned()
}

fn catalog() -> String {
    asgard_dbt::CATALOG.to_owned()
}

fn program() -> String {
    "dbt".to_owned()
}

fn half_a_minute() -> u32 {
    30
}

fn an_hour() -> u64 {
    3600
}

fn cpu() -> String {
    "250m".to_owned()
}

fn memory() -> String {
    "512Mi".to_owned()
}
