//! The binding's configuration; `plugin.toml` has its schema.

use std::collections::BTreeMap;

use asgard_sdk::{Error, Result};
use asgard_workloads::options::PodOptions;
use asgard_workloads::storage::Storage;
use serde::Deserialize;

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The MLflow server's URL.
    pub tracking_uri: String,
    /// Where scripts run.
    #[serde(default)]
    pub runner: Runner,
    /// The granted program that runs scripts.
    #[serde(default = "python")]
    pub program: String,
    /// Address space of each process of a script, MiB.
    #[serde(default)]
    pub memory_mb: Option<u64>,
    /// Of one request to the server.
    #[serde(default = "half_a_minute")]
    pub request_timeout_seconds: u32,
    /// Empty for none.
    #[serde(default = "candidate")]
    pub model_alias: String,
    #[serde(default)]
    pub kubernetes: Option<Kubernetes>,
}

/// Where scripts run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runner {
    #[default]
    Process,
    Kubernetes,
}

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    #[serde(default = "asgard")]
    pub namespace: String,
    pub image: String,
    #[serde(default = "python3")]
    pub python: String,
    #[serde(default)]
    pub tracking_uri: Option<String>,
    /// Variable -> `secret://NAME`.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    #[serde(default = "user")]
    pub user: u32,
    #[serde(default = "ten_minutes")]
    pub start_timeout_seconds: u64,
    #[serde(default)]
    pub storage: Storage,
    #[serde(default)]
    pub pod: PodOptions,
}

impl Configuration {
    /// What points at the version of a model that was registered last, if anything.
    ///
    /// # Errors
    /// `invalid-input` for what MLflow takes for no alias.
    pub fn model_alias(&self) -> Result<Option<&str>> {
        let alias = self.model_alias.as_str();
        if alias.is_empty() {
            return Ok(None);
        }
        let plain = alias.len() <= 255 && alias.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        let number = alias.strip_prefix(['v', 'V']);
        let is_version = number.is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()));
        if plain && !is_version && !alias.eq_ignore_ascii_case("latest") {
            return Ok(Some(alias));
        }
        Err(Error::invalid(
            "configuration.model_alias",
            format!(
                "`{alias}` is no alias of MLflow's: expected at most 255 letters, digits, `_` and `-`, such as `candidate`, and neither \
                 `latest` nor `v` with a number; empty for none"
            ),
        ))
    }

    /// How Jobs are made.
    ///
    /// # Errors
    /// `invalid-input` when nothing says so.
    pub fn kubernetes(&self) -> Result<&Kubernetes> {
        self.kubernetes.as_ref().ok_or_else(|| {
            Error::invalid(
                "configuration.kubernetes",
                "`runner` is `kubernetes`: expected at least the `image` that scripts run in",
            )
        })
    }
}

fn python() -> String {
    "python".to_owned()
}

fn half_a_minute() -> u32 {
    30
}

fn candidate() -> String {
    "candidate".to_owned()
}

fn asgard() -> String {
    "asgard".to_owned()
}

fn python3() -> String {
    "python3".to_owned()
}

fn user() -> u32 {
    10_001
}

fn ten_minutes() -> u64 {
    600
}
