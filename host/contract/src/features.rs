//! Interfaces `feature-source` and `feature-push`. Mirrors `wit/feature-source` and `wit/feature-push`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, TableName};

/// The type of a feature's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    Int32,
    Int64,
    Float32,
    Float64,
    String,
    Bytes,
    Bool,
    UnixTimestamp,
    ArrayInt32,
    ArrayInt64,
    ArrayFloat32,
    ArrayFloat64,
    ArrayString,
}

impl Dtype {
    /// All of them, with their names in the API.
    pub const ALL: [(&'static str, Self); 13] = [
        ("int32", Self::Int32),
        ("int64", Self::Int64),
        ("float32", Self::Float32),
        ("float64", Self::Float64),
        ("string", Self::String),
        ("bytes", Self::Bytes),
        ("bool", Self::Bool),
        ("unix_timestamp", Self::UnixTimestamp),
        ("array_int32", Self::ArrayInt32),
        ("array_int64", Self::ArrayInt64),
        ("array_float32", Self::ArrayFloat32),
        ("array_float64", Self::ArrayFloat64),
        ("array_string", Self::ArrayString),
    ];
}

impl FromStr for Dtype {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, dtype)| *dtype).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
            Error::InvalidInput {
                field: None,
                message: format!("`{text}` is no dtype: expected one of {}", names.join(", ")),
            }
        })
    }
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, dtype)| dtype == self).map_or("", |(name, _)| name))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    pub name: String,
    pub dtype: Dtype,
    pub description: Option<String>,
    pub tags: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureView {
    pub name: String,
    pub entities: Vec<String>,
    pub features: Vec<Feature>,
    pub source: TableName,
    pub timestamp_field: Option<String>,
    pub created_timestamp_column: Option<String>,
    /// 0 = for ever.
    pub ttl_seconds: u64,
    pub description: Option<String>,
    pub tags: Vec<(String, String)>,
    pub online: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureService {
    pub name: String,
    pub views: Vec<String>,
    pub description: Option<String>,
    pub tags: Vec<(String, String)>,
}

/// Features asked for, of one view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    pub view: FeatureView,
    pub features: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum EntityRows {
    ArrowIpc(Vec<u8>),
    Table(TableName),
    /// The latest row of each entity of the first view.
    Latest,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoricalRequest {
    pub rows: EntityRows,
    pub selections: Vec<Selection>,
    pub full_names: bool,
    /// Key of the Parquet object that receives the rows.
    pub output: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    Historical(HistoricalRequest),
    Materialise(FeatureView),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub rows: u64,
    /// Table -> snapshot id that was read.
    pub snapshots: Vec<(String, i64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnlineRequest {
    pub selections: Vec<Selection>,
    pub full_names: bool,
    /// Entity -> value, one object per row.
    pub entities: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// Rows for a view's online store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PushRequest {
    pub view: FeatureView,
    /// Column -> value, one object per row.
    pub rows: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// What became of pushed rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushOutcome {
    /// Rows that were the newest of their entity when they came.
    pub written: u64,
    /// Rows that were older than what was there.
    pub older: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackendInformation {
    pub registry_type: String,
    pub online_store_type: String,
    pub offline_store_type: String,
}
