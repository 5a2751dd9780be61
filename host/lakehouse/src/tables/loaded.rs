//! A table or view as it is at one moment.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use asgard_contract::lakehouse::{Dialect, Table};
use asgard_contract::{Column, Error, Result, TableName};
use chrono::{DateTime, Utc};
use datafusion::common::Statistics;
use iceberg::spec::{DataFileFormat, TableMetadata, ViewRepresentation};

use super::manifests::{Live, holds_data};
use super::{TableState, ViewState, metrics};
use crate::types;

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
    pub(crate) files: Arc<Vec<DataFile>>,
    /// Another writer has deleted rows of files that still hold them: `files` alone show too much. [`super::Tables::scan`] reads
    /// such a table rightly.
    pub(crate) has_deletes: bool,
    /// A URL.
    pub(crate) location: String,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) state: TableState,
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
    pub(crate) location: String,
    pub(crate) state: ViewState,
}

pub(super) fn table(name: &TableName, state: &TableState, live: &[Live]) -> Result<LoadedTable> {
    let metadata = &state.metadata;
    let schema = metadata.current_schema();
    let arrow = types::to_arrow(schema);
    let has_deletes = live.iter().any(|live| !holds_data(&live.manifest) && !live.entries.is_empty());
    let mut files = Vec::new();
    for entry in live.iter().filter(|live| holds_data(&live.manifest)).flat_map(|live| &live.entries) {
        let file = entry.data_file();
        if file.file_format() != DataFileFormat::Parquet {
            return Err(Error::unsupported(format!(
                "`{name}` has files of format {}: only Parquet is read",
                file.file_format()
            )));
        }
        files.push(DataFile {
            location: file.file_path().to_owned(),
            size: file.file_size_in_bytes(),
            rows: file.record_count(),
            statistics: Arc::new(metrics::statistics(file, schema, &arrow, !has_deletes)),
        });
    }
    let mut properties: Vec<(String, String)> =
        metadata.properties().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    properties.sort();
    Ok(LoadedTable {
        name: name.clone(),
        schema: arrow,
        snapshot: metadata.current_snapshot_id(),
        rows: files.iter().map(|file| file.rows).sum(),
        bytes: files.iter().map(|file| file.size).sum(),
        files: Arc::new(files),
        has_deletes,
        location: metadata.location().to_owned(),
        properties,
        state: state.clone(),
    })
}

pub(super) fn view(name: &TableName, state: &ViewState) -> Result<LoadedView> {
    let version = state.metadata.current_version();
    let mut written = version.representations().iter().map(|ViewRepresentation::Sql(sql)| sql);
    let known = |dialect: &str| match dialect {
        "spark" => Some(Dialect::Spark),
        "trino" => Some(Dialect::Trino),
        _ => None,
    };
    let found = written.find_map(|written| Some((written.sql.clone(), known(&written.dialect)?)));
    let (sql, dialect) = found.ok_or_else(|| {
        Error::unsupported(format!("view `{name}` is written in no dialect that is run here: spark or trino"))
    })?;
    Ok(LoadedView {
        name: name.clone(),
        sql,
        dialect,
        location: state.metadata.location().to_owned(),
        state: state.clone(),
    })
}

impl Loaded {
    pub(crate) fn info(&self) -> TableInfo {
        match self {
            Self::Table(table) => {
                let metadata = &table.state.metadata;
                TableInfo {
                    columns: types::columns(metadata.current_schema()),
                    rows: Some(table.rows),
                    bytes: Some(table.bytes),
                    created_at: created_at(metadata),
                    updated_at: at(metadata.last_updated_ms()),
                    location: table.location.clone(),
                    partitioning: partitioning(metadata),
                    view_sql: None,
                }
            }
            Self::View(view) => {
                let metadata = &view.state.metadata;
                TableInfo {
                    columns: types::columns(metadata.current_schema()),
                    rows: None,
                    bytes: None,
                    created_at: metadata.history().first().and_then(|entry| at(entry.timestamp_ms())),
                    updated_at: at(metadata.current_version().timestamp_ms()),
                    location: view.location.clone(),
                    partitioning: Vec::new(),
                    view_sql: Some(view.sql.clone()),
                }
            }
        }
    }

    pub(crate) fn describe(&self) -> Table {
        let info = self.info();
        let (name, snapshot, properties) = match self {
            Self::Table(table) => (table.name.clone(), table.snapshot, table.properties.clone()),
            Self::View(view) => (view.name.clone(), None, Vec::new()),
        };
        Table {
            name,
            columns: info.columns,
            snapshot,
            rows: info.rows,
            bytes: info.bytes,
            location: info.location,
            properties,
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

fn at(milliseconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(milliseconds)
}

fn created_at(metadata: &TableMetadata) -> Option<DateTime<Utc>> {
    // Tables that were made here have the time in their identifier.
    if let Some((seconds, nanoseconds)) = metadata.uuid().get_timestamp().map(|time| time.to_unix()) {
        return DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds);
    }
    let metadata_log = metadata.metadata_log().iter().map(|entry| entry.timestamp_ms);
    let snapshots = metadata.history().iter().map(|entry| entry.timestamp_ms());
    at(metadata_log.chain(snapshots).min().unwrap_or(metadata.last_updated_ms()))
}

fn partitioning(metadata: &TableMetadata) -> Vec<String> {
    let schema = metadata.current_schema();
    let fields = metadata.default_partition_spec().fields().iter();
    fields
        .map(|field| {
            let source = schema.name_by_field_id(field.source_id).unwrap_or(&field.name);
            match field.transform {
                iceberg::spec::Transform::Identity => source.to_owned(),
                other => format!("{other}({source})"),
            }
        })
        .collect()
}
