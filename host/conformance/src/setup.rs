//! What a plugin is tested with: as a binding of an environment, and what to ask of the backend behind it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use asgard_contract::environment::{Cluster, Grants, Limits, Program, SecretSource, Service};
use asgard_contract::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// The file behind `--config`. Everything may be left out; what cannot be asked then is skipped.
///
/// ```toml
/// grants.sockets = ["127.0.0.1:5432"]
///
/// [secrets.password]
/// from = "env"
/// name = "PGPASSWORD"
///
/// [source]
/// type = "postgres"
/// configuration = { host = "127.0.0.1", database = "erp", username = "asgard", password = "secret://password" }
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    /// The binding's.
    pub configuration: Value,
    /// The binding's. Objects, key-values and the bench's own lakehouse are granted to whoever asks for them.
    pub grants: Grants,
    pub limits: Limits,
    /// Of plugins that are granted some of it.
    pub kubernetes: Option<Cluster>,
    pub programs: BTreeMap<String, Program>,
    pub services: BTreeMap<String, Service>,
    /// A secret that is not declared is the variable of its own name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// For connectors.
    pub source: Option<SourceSetup>,
    /// For training.
    pub training: Option<TrainingSetup>,
    /// For building images, serving and canaries.
    pub model: Option<ModelSetup>,
}

/// A source to read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSetup {
    #[serde(rename = "type")]
    pub source_type: String,
    pub configuration: Value,
    /// The streams to read, by name. Default: the first five that can be synced.
    #[serde(default)]
    pub streams: Vec<String>,
}

/// A script to train with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSetup {
    /// Logs a model in an active run.
    pub script: PathBuf,
}

/// A model to make an image of, and to serve.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSetup {
    /// As MLflow logs it: `MLmodel`, and the files beside it.
    pub folder: PathBuf,
    /// PEP 508 lines, what the model needs beside MLflow.
    #[serde(default)]
    pub requirements: Vec<String>,
    /// The model's image, with its digest, for backends that serve images.
    pub image: Option<String>,
    /// For backends that have namespaces.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// A body of `POST /predict` that the model answers. Without it, only `/health` is asked.
    pub question: Option<Value>,
}

fn default_namespace() -> String {
    "default".to_owned()
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            configuration: serde_json::json!({}),
            grants: Grants::default(),
            limits: Limits::default(),
            kubernetes: None,
            programs: BTreeMap::new(),
            services: BTreeMap::new(),
            secrets: BTreeMap::new(),
            source: None,
            training: None,
            model: None,
        }
    }
}

impl Setup {
    /// Reads a setup.
    ///
    /// # Errors
    /// `invalid-input` with the line that is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| Error::invalid("config", error.to_string().trim_end()))
    }
}
