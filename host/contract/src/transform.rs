//! Interface `transform`: SQL that makes tables. Mirrors `wit/transform`.

use serde::{Deserialize, Serialize};

use crate::{Column, TableName};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Materialization {
    Table,
    View,
    Incremental,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncrementalStrategy {
    Append,
    Merge,
    DeleteInsert,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    Overwrite,
    Append,
}

/// What a view of a silver run stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    Table(TableName),
    /// `s3://…`, `s3a://…`, `file://…`.
    Location(String),
}

/// Asked-for compute in Spark's units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compute {
    pub executor_instances: u32,
    pub executor_cores: u32,
    pub executor_memory: String,
    pub driver_cores: u32,
    pub driver_memory: String,
}

impl Default for Compute {
    /// The least that a driver and an executor take.
    fn default() -> Self {
        Self {
            executor_instances: 1,
            executor_cores: 1,
            executor_memory: "512m".to_owned(),
            driver_cores: 1,
            driver_memory: "512m".to_owned(),
        }
    }
}

/// Role silver: Spark SQL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SilverRun {
    pub run_id: String,
    pub sql: String,
    /// View name -> what it stands for; `source_data` first.
    pub inputs: Vec<(String, Input)>,
    pub target: TableName,
    pub write_mode: WriteMode,
    pub compute: Compute,
}

/// Role gold: a dbt model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoldModel {
    pub name: String,
    pub sql: String,
    pub target: TableName,
    pub materialization: Materialization,
    pub incremental_strategy: IncrementalStrategy,
    pub unique_key: Vec<String>,
    pub description: Option<String>,
    pub tags: Vec<String>,
    pub owner: String,
    /// What `ref` may name: model -> its table.
    pub models: Vec<(String, TableName)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    Silver(SilverRun),
    Gold(GoldModel),
}

/// The shape of a result, found without running it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryPlan {
    pub columns: Vec<Column>,
    pub tables: Vec<TableName>,
    pub compiled_sql: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub rows_written: u64,
    pub bytes_written: u64,
    pub rows_read: u64,
    pub bytes_read: u64,
    pub total_rows: u64,
    pub snapshot: Option<i64>,
    pub location: String,
}
