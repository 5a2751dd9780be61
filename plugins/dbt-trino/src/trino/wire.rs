//! Answers as Trino writes them, as far as they are used.

use asgard_sdk::json::Value;
use serde::Deserialize;

/// An answer to a statement, or to the question what is next.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Results {
    pub id: String,
    #[serde(default)]
    pub info_uri: Option<String>,
    /// None at the end.
    #[serde(default)]
    pub next_uri: Option<String>,
    #[serde(default)]
    pub columns: Option<Vec<Column>>,
    #[serde(default)]
    pub data: Option<Vec<Vec<Value>>>,
    #[serde(default)]
    pub error: Option<QueryError>,
    /// Rows that a statement wrote, those that it deleted included.
    #[serde(default)]
    pub update_count: Option<u64>,
    #[serde(default)]
    pub stats: Stats,
}

/// A column of a result.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub written: String,
    pub type_signature: Value,
}

/// How far a query is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stats {
    pub state: String,
    pub progress_percentage: Option<f64>,
    pub completed_splits: u64,
    pub total_splits: u64,
    pub processed_rows: u64,
    pub physical_input_bytes: u64,
    pub physical_written_bytes: u64,
    pub elapsed_time_millis: u64,
}

/// Why a query failed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryError {
    pub message: String,
    pub error_name: String,
    /// `USER_ERROR`, `INTERNAL_ERROR`, `INSUFFICIENT_RESOURCES`, `EXTERNAL`.
    pub error_type: String,
    #[serde(default)]
    pub error_location: Option<Location>,
    #[serde(default)]
    pub failure_info: Option<Failure>,
}

/// A place in a statement, from 1.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    pub line_number: u32,
    pub column_number: u32,
}

/// An exception with what it comes of: a catalog's or a store's own words are at the end.
#[derive(Debug, Clone, Deserialize)]
pub struct Failure {
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub cause: Option<Box<Failure>>,
}
