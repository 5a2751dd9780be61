//! MLflow's answers, as far as they are read. It leaves empty lists and texts out, so every such field has a default.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct Failure {
    #[serde(default)]
    pub error_code: String,
    #[serde(default)]
    pub message: String,
}

/// Key and value, as tags come.
#[derive(Debug, Clone, Deserialize)]
pub struct Tag {
    pub key: String,
    #[serde(default)]
    pub value: String,
}

#[derive(Debug, Deserialize)]
pub struct ExperimentAnswer {
    pub experiment: Experiment,
}

#[derive(Debug, Deserialize)]
pub struct Experiment {
    pub experiment_id: String,
    #[serde(default)]
    pub lifecycle_stage: String,
}

#[derive(Debug, Deserialize)]
pub struct CreatedExperiment {
    pub experiment_id: String,
}

#[derive(Debug, Deserialize)]
pub struct Experiments {
    #[serde(default)]
    pub experiments: Vec<Experiment>,
    #[serde(default)]
    pub next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Runs {
    #[serde(default)]
    pub runs: Vec<Run>,
    #[serde(default)]
    pub next_page_token: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Run {
    pub info: RunInfo,
    #[serde(default)]
    pub data: RunData,
    #[serde(default)]
    pub outputs: RunOutputs,
}

#[derive(Debug, Clone, Deserialize)]
pub struct RunInfo {
    pub run_id: String,
    #[serde(default)]
    pub experiment_id: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub start_time: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct RunData {
    #[serde(default)]
    pub metrics: Vec<Metric>,
    #[serde(default)]
    pub params: Vec<Tag>,
    #[serde(default)]
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Metric {
    pub key: String,
    /// A number, or the texts `NaN`, `Infinity`, `-Infinity`.
    #[serde(default)]
    pub value: serde_json::Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct RunOutputs {
    #[serde(default)]
    pub model_outputs: Vec<ModelOutput>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ModelOutput {
    pub model_id: String,
}

#[derive(Debug, Deserialize)]
pub struct LoggedModelAnswer {
    pub model: LoggedModel,
}

#[derive(Debug, Deserialize)]
pub struct LoggedModel {
    pub info: LoggedModelInfo,
}

#[derive(Debug, Deserialize)]
pub struct LoggedModelInfo {
    pub model_id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub status: String,
}

#[derive(Debug, Deserialize)]
pub struct RegisteredModelAnswer {
    pub registered_model: RegisteredModel,
}

#[derive(Debug, Deserialize)]
pub struct RegisteredModels {
    #[serde(default)]
    pub registered_models: Vec<RegisteredModel>,
    #[serde(default)]
    pub next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct RegisteredModel {
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub tags: Vec<Tag>,
    #[serde(default)]
    pub latest_versions: Vec<ModelVersion>,
    #[serde(default)]
    pub aliases: Vec<Alias>,
    #[serde(default)]
    pub creation_timestamp: u64,
    #[serde(default)]
    pub last_updated_timestamp: u64,
}

/// Where an alias points.
#[derive(Debug, Deserialize)]
pub struct Alias {
    pub alias: String,
    pub version: String,
}

#[derive(Debug, Deserialize)]
pub struct ModelVersionAnswer {
    pub model_version: ModelVersion,
}

#[derive(Debug, Deserialize)]
pub struct ModelVersions {
    #[serde(default)]
    pub model_versions: Vec<ModelVersion>,
}

#[derive(Debug, Deserialize)]
pub struct ModelVersion {
    pub name: String,
    pub version: String,
    #[serde(default)]
    pub current_stage: Option<String>,
    #[serde(default)]
    pub run_id: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub tags: Vec<Tag>,
    #[serde(default)]
    pub creation_timestamp: u64,
    #[serde(default)]
    pub last_updated_timestamp: u64,
}

#[derive(Debug, Deserialize)]
pub struct DownloadUri {
    pub artifact_uri: String,
}

#[derive(Debug, Deserialize)]
pub struct ArtifactList {
    #[serde(default)]
    pub files: Vec<Artifact>,
}

#[derive(Debug, Deserialize)]
pub struct Artifact {
    /// Relative to the folder that was asked for.
    pub path: String,
    #[serde(default)]
    pub is_dir: bool,
}
