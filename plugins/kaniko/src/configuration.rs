//! The binding's configuration; `plugin.toml` has its schema.

use std::collections::BTreeMap;

use asgard_workloads::options::PodOptions;
use asgard_workloads::storage::Storage;
use serde::Deserialize;
use serde_json::Value;

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    #[serde(default = "asgard")]
    pub namespace: String,
    /// The builder's.
    pub image: String,
    #[serde(default = "busybox")]
    pub copy_image: String,
    pub registry: String,
    #[serde(default = "model")]
    pub repository: String,
    pub base_image: String,
    #[serde(default = "python3")]
    pub python: String,
    #[serde(default = "service_requirements")]
    pub service_requirements: Vec<String>,
    #[serde(default = "port")]
    pub port: u16,
    #[serde(default = "one")]
    pub workers: u32,
    #[serde(default = "user")]
    pub user: u32,
    #[serde(default)]
    pub platform: Option<String>,
    #[serde(default)]
    pub build_arguments: BTreeMap<String, String>,
    #[serde(default)]
    pub arguments: Vec<String>,
    #[serde(default)]
    pub insecure: bool,
    #[serde(default)]
    pub skip_tls_verify: bool,
    #[serde(default)]
    pub cache: Option<Cache>,
    #[serde(default)]
    pub proxy: Proxy,
    #[serde(default)]
    pub certificates: Option<Certificates>,
    #[serde(default)]
    pub username: Option<String>,
    /// `secret://NAME`.
    #[serde(default)]
    pub password: Option<String>,
    /// `secret://NAME`.
    #[serde(default)]
    pub docker_config: Option<String>,
    #[serde(default)]
    pub docker_config_secret: Option<String>,
    #[serde(default)]
    pub ecr: Option<Ecr>,
    #[serde(default)]
    pub storage: Storage,
    #[serde(default = "hour")]
    pub timeout_seconds: u64,
    #[serde(default = "ten_minutes")]
    pub start_timeout_seconds: u64,
    #[serde(default = "half_a_minute")]
    pub request_timeout_seconds: u32,
    #[serde(default)]
    pub pod: PodOptions,
}

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    #[serde(default)]
    pub repository: Option<String>,
    #[serde(default = "two_weeks")]
    pub hours: u32,
}

/// See `plugin.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    #[serde(default)]
    pub http: Option<String>,
    #[serde(default)]
    pub https: Option<String>,
    #[serde(default)]
    pub none: Option<String>,
}

impl Proxy {
    /// The variables that programs look at, in both spellings that are in use.
    pub fn variables(&self) -> Vec<(&'static str, &str)> {
        let pairs = [
            (["HTTP_PROXY", "http_proxy"], &self.http),
            (["HTTPS_PROXY", "https_proxy"], &self.https),
            (["NO_PROXY", "no_proxy"], &self.none),
        ];
        let set = pairs.into_iter().filter_map(|(names, value)| Some((names, value.as_deref()?)));
        set.flat_map(|(names, value)| names.map(|name| (name, value))).collect()
    }
}

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificates {
    pub config_map: String,
    #[serde(default = "ca_crt")]
    pub key: String,
}

/// See `plugin.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ecr {
    pub region: String,
    #[serde(default)]
    pub endpoint: Option<String>,
    #[serde(default)]
    pub access_key_id: Option<String>,
    #[serde(default)]
    pub secret_access_key: Option<String>,
    #[serde(default)]
    pub session_token: Option<String>,
    #[serde(default)]
    pub login: Login,
    #[serde(default = "yes")]
    pub scan_on_push: bool,
    #[serde(default = "yes")]
    pub immutable_tags: bool,
    #[serde(default)]
    pub lifecycle_policy: Option<Value>,
}

/// How the builder logs in to ECR.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    #[default]
    Token,
    Helper,
    DockerConfig,
}

fn asgard() -> String {
    "asgard".to_owned()
}

fn busybox() -> String {
    "busybox:1.37".to_owned()
}

fn model() -> String {
    "{model}".to_owned()
}

fn python3() -> String {
    "python3".to_owned()
}

fn service_requirements() -> Vec<String> {
    ["starlette", "uvicorn", "pyyaml", "numpy"].map(str::to_owned).to_vec()
}

fn port() -> u16 {
    8080
}

fn one() -> u32 {
    1
}

fn user() -> u32 {
    10_001
}

fn yes() -> bool {
    true
}

fn two_weeks() -> u32 {
    336
}

fn ca_crt() -> String {
    "ca.crt".to_owned()
}

fn hour() -> u64 {
    3600
}

fn ten_minutes() -> u64 {
    600
}

fn half_a_minute() -> u32 {
    30
}
