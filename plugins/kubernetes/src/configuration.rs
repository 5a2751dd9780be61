//! The binding's configuration; `plugin.toml` has its schema.

use std::collections::BTreeMap;

use asgard_sdk::{Error, Result};
use asgard_workloads::options::PodOptions;
use serde::Deserialize;

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    #[serde(default)]
    pub namespace: Option<String>,
    /// The container's.
    #[serde(default = "eight_thousand_eighty")]
    pub port: u16,
    #[serde(default)]
    pub service: Service,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default = "user")]
    pub user: u32,
    /// `secret://NAME`.
    #[serde(default)]
    pub docker_config: Option<String>,
    #[serde(default)]
    pub registry_login: Option<Login>,
    #[serde(default = "three_minutes")]
    pub start_timeout_seconds: u64,
    #[serde(default = "ten_minutes")]
    pub rollout_timeout_seconds: u64,
    #[serde(default = "five_minutes")]
    pub address_timeout_seconds: u64,
    #[serde(default = "ten")]
    pub drain_seconds: u64,
    #[serde(default = "one")]
    pub max_surge: u32,
    #[serde(default = "ten_containers")]
    pub canary_containers: u32,
    #[serde(default)]
    pub verify: bool,
    #[serde(default)]
    pub pod: PodOptions,
}

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    #[serde(default, rename = "type")]
    pub kind: Kind,
    #[serde(default = "eighty")]
    pub port: u16,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub load_balancer_class: Option<String>,
    #[serde(default)]
    pub source_ranges: Vec<String>,
    #[serde(default)]
    pub node_address: Option<String>,
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default)]
    pub ingress_class: Option<String>,
    #[serde(default)]
    pub ingress_annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub tls_secret: Option<String>,
}

/// Who pulls images. See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    pub registry: String,
    pub username: String,
    /// `secret://NAME`.
    pub password: String,
}

/// How a model is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Kind {
    #[default]
    LoadBalancer,
    ClusterIP,
    NodePort,
    Ingress,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            port: eighty(),
            annotations: BTreeMap::new(),
            load_balancer_class: None,
            source_ranges: Vec::new(),
            node_address: None,
            host: None,
            ingress_class: None,
            ingress_annotations: BTreeMap::new(),
            tls_secret: None,
        }
    }
}

impl Configuration {
    /// Whether images are pulled with a Secret that is made here.
    pub fn makes_pull_secret(&self) -> bool {
        self.docker_config.is_some() || self.registry_login.is_some()
    }

    /// What the schema cannot say.
    ///
    /// # Errors
    /// `invalid-input` with the field that is missing.
    pub fn check(&self) -> Result<()> {
        if self.docker_config.is_some() && self.registry_login.is_some() {
            return Err(Error::invalid(
                "configuration.docker_config",
                "there is a `registry_login` too: images are pulled with one of them",
            ));
        }
        match self.service.kind {
            Kind::NodePort if self.service.node_address.is_none() => Err(Error::invalid(
                "configuration.service.node_address",
                "a model at a node's port is reached by a node's address: expected one",
            )),
            Kind::Ingress if self.service.host.is_none() => Err(Error::invalid(
                "configuration.service.host",
                "a model behind an Ingress is reached by a host name: expected one, such as `{model}.models.example.com`",
            )),
            _ => Ok(()),
        }
    }
}

fn eight_thousand_eighty() -> u16 {
    8080
}

fn eighty() -> u16 {
    80
}

fn user() -> u32 {
    10_001
}

fn three_minutes() -> u64 {
    180
}

fn five_minutes() -> u64 {
    300
}

fn ten_minutes() -> u64 {
    600
}

fn ten() -> u64 {
    10
}

fn ten_containers() -> u32 {
    10
}

fn one() -> u32 {
    1
}
