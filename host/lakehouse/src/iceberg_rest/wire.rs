//! Requests and answers as they go over the wire. The metadata in them is Iceberg's own JSON.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use asgard_contract::TableName;
use iceberg::spec::{Schema, SortOrder, TableMetadata, UnboundPartitionSpec, ViewMetadata, ViewVersion};
use iceberg::{TableRequirement, TableUpdate, ViewUpdate};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What this catalog can do, as `GET /v1/config` tells it.
pub(super) const ENDPOINTS: [&str; 23] = [
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
    "POST /v1/{prefix}/tables/rename",
    "POST /v1/{prefix}/transactions/commit",
    "GET /v1/{prefix}/namespaces/{namespace}/views",
    "POST /v1/{prefix}/namespaces/{namespace}/views",
    "GET /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/views/rename",
];

/// The answer of `GET /v1/config`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Configuration {
    #[serde(default)]
    pub defaults: BTreeMap<String, String>,
    #[serde(default)]
    pub overrides: BTreeMap<String, String>,
    #[serde(default)]
    pub endpoints: Vec<String>,
}

/// Namespaces, each with its levels.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Namespaces {
    pub namespaces: Vec<Vec<String>>,
}

/// A namespace to be made, or as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Namespace {
    pub namespace: Vec<String>,
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

/// Changes of a namespace's properties.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangeProperties {
    #[serde(default)]
    pub removals: Vec<String>,
    #[serde(default)]
    pub updates: BTreeMap<String, String>,
}

/// What became of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangedProperties {
    pub updated: Vec<String>,
    pub removed: Vec<String>,
    pub missing: Vec<String>,
}

/// A table or view by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifier {
    pub namespace: Vec<String>,
    pub name: String,
}

impl From<&TableName> for Identifier {
    fn from(name: &TableName) -> Self {
        Self { namespace: vec![name.namespace.clone()], name: name.name.clone() }
    }
}

/// Tables or views of a namespace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identifiers {
    pub identifiers: Vec<Identifier>,
}

/// A table to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CreateTable {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    pub schema: Schema,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_spec: Option<UnboundPartitionSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_order: Option<SortOrder>,
    /// The metadata is only prepared; the first commit makes the table.
    #[serde(default)]
    pub stage_create: Option<bool>,
    #[serde(default)]
    pub properties: Option<HashMap<String, String>>,
}

/// A table that exists as files and is to be listed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Register {
    pub name: String,
    pub metadata_location: String,
    /// Whether it may take the place of one of the same name.
    #[serde(default)]
    pub overwrite: bool,
}

/// A table as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadedTable {
    /// None: the table is only prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_location: Option<String>,
    pub metadata: Arc<TableMetadata>,
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

/// Changes of one table, and what must be true of it for them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommitTable {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
    #[serde(default)]
    pub requirements: Vec<TableRequirement>,
    #[serde(default)]
    pub updates: Vec<TableUpdate>,
}

/// The table after a commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CommittedTable {
    pub metadata_location: String,
    pub metadata: Arc<TableMetadata>,
}

/// Changes of several tables that are made together or not at all.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CommitTransaction {
    pub table_changes: Vec<CommitTable>,
}

/// A new name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rename {
    pub source: Identifier,
    pub destination: Identifier,
}

/// A view to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CreateView {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    pub schema: Schema,
    pub view_version: ViewVersion,
    #[serde(default)]
    pub properties: HashMap<String, String>,
}

/// What must be true of a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ViewRequirement {
    #[serde(rename = "assert-view-uuid")]
    Uuid { uuid: Uuid },
}

/// Changes of a view.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommitView {
    #[serde(default)]
    pub requirements: Vec<ViewRequirement>,
    #[serde(default)]
    pub updates: Vec<ViewUpdate>,
}

/// A view as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadedView {
    pub metadata_location: String,
    pub metadata: Arc<ViewMetadata>,
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}
