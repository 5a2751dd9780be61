//! What the API calls things. Answers have more fields than are read here.

use asgard_airbyte::stream::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A page of a list of the public API.
#[derive(Debug, Deserialize)]
pub struct Page<T> {
    pub data: Vec<T>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub source_id: String,
    pub name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    pub destination_id: String,
    pub name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    pub connection_id: String,
    pub destination_id: String,
    pub name: String,
    /// `active`, `inactive`, `locked`, or `deprecated`: deleted, and still told by its id.
    #[serde(default)]
    pub status: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    pub id: String,
    /// `airbyte/source-postgres`.
    pub docker_repository: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub job_id: i64,
    pub status: String,
    pub rows_synced: Option<u64>,
    pub bytes_synced: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewActor<'a> {
    pub name: &'a str,
    pub workspace_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition_id: Option<&'a str>,
    pub configuration: &'a Value,
}

#[derive(Debug, Serialize)]
pub struct ActorPatch<'a> {
    pub name: &'a str,
    pub configuration: &'a Value,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionRequest<'a> {
    pub name: &'a str,
    /// Only when it is made: neither end of a connection can be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_id: Option<&'a str>,
    pub configurations: Configurations<'a>,
    pub schedule: Schedule,
    pub namespace_definition: &'static str,
    pub namespace_format: &'a str,
    pub prefix: &'a str,
    pub non_breaking_schema_updates_behavior: &'static str,
    pub status: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub struct Configurations<'a> {
    pub streams: Vec<StreamConfiguration<'a>>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamConfiguration<'a> {
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<&'a str>,
    pub sync_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor_field: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<[&'a str; 1]>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    pub schedule_type: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewJob<'a> {
    pub connection_id: &'a str,
    pub job_type: &'static str,
}

// Below: the server's own API.

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unsaved<'a> {
    pub source_definition_id: &'a str,
    pub connection_configuration: &'a Value,
    pub workspace_id: &'a str,
}

#[derive(Debug, Deserialize)]
pub struct Checked {
    pub status: String,
    pub message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Discovered {
    pub catalog: Option<Catalog>,
    pub job_info: Option<DiscoverJob>,
}

#[derive(Debug, Deserialize)]
pub struct Catalog {
    pub streams: Vec<CatalogStream>,
}

#[derive(Debug, Deserialize)]
pub struct CatalogStream {
    pub stream: Stream,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverJob {
    #[serde(default)]
    pub succeeded: bool,
    pub failure_reason: Option<FailureReason>,
}

#[derive(Debug, Serialize)]
pub struct JobId {
    pub id: i64,
}

#[derive(Debug, Deserialize)]
pub struct JobInfo {
    #[serde(default)]
    pub attempts: Vec<AttemptInfo>,
}

#[derive(Debug, Deserialize)]
pub struct AttemptInfo {
    pub attempt: Attempt,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    #[serde(default)]
    pub stream_stats: Vec<StreamStats>,
    pub failure_summary: Option<FailureSummary>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamStats {
    pub stream_name: String,
    pub stream_namespace: Option<String>,
    pub stats: Stats,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    pub records_emitted: Option<u64>,
    pub bytes_emitted: Option<u64>,
    pub records_committed: Option<u64>,
    pub bytes_committed: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub struct FailureSummary {
    #[serde(default)]
    pub failures: Vec<FailureReason>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureReason {
    pub failure_origin: Option<String>,
    /// `config_error`, `system_error`, `transient_error`, `refresh_schema`, …
    pub failure_type: Option<String>,
    pub external_message: Option<String>,
    pub internal_message: Option<String>,
}
