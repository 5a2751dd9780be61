//! Interfaces `training`, `model-registry`, `image-build` and `serving`. Mirrors `wit/deployer`.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingRequest {
    pub deployment_id: String,
    pub script_name: String,
    pub script: String,
    pub experiment: String,
    pub model_name: String,
    pub requirements: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub timeout_ms: u64,
    pub tags: Vec<(String, String)>,
    /// Key of the Parquet object with the features.
    pub features: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingOutcome {
    pub run_id: String,
    pub model_uri: String,
    pub metrics: Vec<(String, f64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    pub name: String,
    pub version: String,
    pub stage: String,
    pub run_id: Option<String>,
    pub description: Option<String>,
    pub tags: Vec<(String, String)>,
    pub created_ms: u64,
    pub updated_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub name: String,
    pub description: Option<String>,
    pub tags: Vec<(String, String)>,
    pub latest_versions: Vec<ModelVersion>,
    pub created_ms: u64,
    pub updated_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    pub model_name: String,
    pub run_id: String,
    pub model_uri: String,
    pub tags: Vec<(String, String)>,
    pub description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegistryInformation {
    pub tracking_uri: String,
    pub active_experiments: u64,
    pub registered_models: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildRequest {
    pub deployment_id: String,
    pub model_name: String,
    pub model_version: String,
    /// Path -> object key.
    pub model_files: Vec<(String, String)>,
    pub requirements: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildOutcome {
    /// With its digest.
    pub image: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServingRequest {
    pub deployment_id: String,
    pub model_name: String,
    pub model_version: String,
    pub image: Option<String>,
    pub model_files: Vec<(String, String)>,
    pub requirements: Vec<String>,
    pub replicas: u32,
    pub namespace: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServingOutcome {
    /// `/health`, `/predict` and `/docs` are below it.
    pub url: String,
    pub external_ip: Option<String>,
}
