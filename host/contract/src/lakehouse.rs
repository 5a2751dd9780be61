//! The lakehouse capability: Iceberg tables and the embedded engine over them. Mirrors `wit/lakehouse`.

use serde::{Deserialize, Serialize};

use crate::{Column, TableName};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub name: TableName,
    pub columns: Vec<Column>,
    /// Current snapshot; none for views and empty new tables.
    pub snapshot: Option<i64>,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    pub location: String,
    pub properties: Vec<(String, String)>,
    pub view_sql: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    Spark,
    Trino,
}

/// What a name in a statement stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    Table(TableName),
    /// Key of an object, of Parquet or JSON lines; a key that ends in `/` stands for all below it.
    Object(String),
    Location(String),
    /// An Arrow IPC stream.
    Arrow(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    pub sql: String,
    pub dialect: Dialect,
    pub inputs: Vec<(String, Input)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    Replace,
    Append,
    Merge,
    DeleteInsert,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableWrite {
    pub table: TableName,
    pub mode: WriteMode,
    pub key: Vec<String>,
    pub properties: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Output {
    Table(TableWrite),
    View(TableName),
    /// Key of an object.
    Parquet(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryPlan {
    pub columns: Vec<Column>,
    pub tables: Vec<TableName>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
    pub rows_read: u64,
    pub bytes_read: u64,
    pub snapshot: Option<i64>,
    pub location: String,
    pub total_rows: u64,
}
