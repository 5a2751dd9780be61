//! A table or view as it is at one moment.

use std::sync::Arc;

use asgard_contract::lakehouse::{Dialect, Table};
use asgard_contract::{Column, TableName};
use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;

/// What answers show of a table or view.
#[derive(Debug, Clone, PartialEq)]
pub struct TableInfo {
    pub columns: Vec<Column>,
    /// None for views.
    pub rows: Option<u64>,
    /// Of the live data files; none for views.
    pub bytes: Option<u64>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    /// A URL.
    pub location: String,
    /// The partition fields, as `day(ordered_at)`; empty = unpartitioned.
    pub partitioning: Vec<String>,
    pub view_sql: Option<String>,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Loaded {
    Table(LoadedTable),
    View(LoadedView),
}

/// A table's current snapshot.
#[derive(Debug, Clone)]
pub(crate) struct LoadedTable {
    pub(crate) name: TableName,
    /// Columns in order, with Iceberg field ids as metadata (`PARQUET:field_id`). Files that were written before a column was
    /// added lack it: its values are null there.
    pub(crate) schema: SchemaRef,
    /// None: the table has no rows yet.
    pub(crate) snapshot: Option<i64>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) files: Vec<DataFile>,
    /// A URL.
    pub(crate) location: String,
    pub(crate) properties: Vec<(String, String)>,
}

/// One live Parquet file.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// A URL: `file:///…`.
    pub(crate) location: String,
    pub(crate) size: u64,
    pub(crate) rows: u64,
    /// Rows, and of each column of the table's schema: nulls, smallest and largest value where the manifest has them. Bounds
    /// of strings may be cut short, so they are inexact.
    pub(crate) statistics: Arc<Statistics>,
}

/// A view's current version.
#[derive(Debug, Clone)]
pub(crate) struct LoadedView {
    pub(crate) name: TableName,
    pub(crate) sql: String,
    pub(crate) dialect: Dialect,
    pub(crate) schema: SchemaRef,
    pub(crate) location: String,
}

impl Loaded {
    pub(crate) fn info(&self) -> TableInfo {
        let location = match self {
            Self::Table(table) => &table.location,
            Self::View(view) => &view.location,
        };
        TableInfo {
            columns: Vec::new(),
            rows: None,
            bytes: None,
            created_at: None,
            updated_at: None,
            location: location.clone(),
            partitioning: Vec::new(),
            view_sql: None,
        }
    }

    pub(crate) fn describe(&self) -> Table {
        let info = self.info();
        Table {
            name: TableName::new("", ""),
            columns: info.columns,
            snapshot: None,
            rows: info.rows,
            bytes: info.bytes,
            location: info.location,
            properties: Vec::new(),
            view_sql: info.view_sql,
        }
    }

    /// URLs of the live data files; none for a view.
    pub(crate) fn data_files(&self) -> Vec<String> {
        match self {
            Self::Table(table) => table.files.iter().map(|file| file.location.clone()).collect(),
            Self::View(_) => Vec::new(),
        }
    }
}
