//! A table or view as it is at one moment.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use asgard_contract::lakehouse::{Dialect, Table};
use asgard_contract::{Column, Error, Result, TableName};
use chrono::{DateTime, Utc};
use datafusion::common::Statistics;
use iceberg::spec::{
    DataFileFormat, ManifestEntryRef, PartitionSpec, Schema, SchemaRef as TableSchemaRef, SnapshotRef, TableMetadata,
    ViewRepresentation,
};

use super::manifests::{Live, holds_data};
use super::read::{self, DeleteFile, ScanFile};
use super::{TableState, ViewState, layout, metrics};
use crate::types;

/// What answers show of a table or view.
#[derive(Debug, Clone, PartialEq)]
pub struct TableInfo {
    pub columns: Vec<Column>,
    /// None for views, and where rows are marked as deleted: they are only known by reading.
    pub rows: Option<u64>,
    /// Of the live data files; none for views.
    pub bytes: Option<u64>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    /// A URL.
    pub location: String,
    /// The partition fields, as `day(ordered_at)`; empty = unpartitioned.
    pub partitioning: Vec<String>,
    /// By name; none for views.
    pub properties: Vec<(String, String)>,
    pub view_sql: Option<String>,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Loaded {
    Table(LoadedTable),
    View(LoadedView),
}

/// One snapshot of a table: the current one, unless another was asked for.
#[derive(Debug, Clone)]
pub(crate) struct LoadedTable {
    pub(crate) name: TableName,
    /// Columns in order, with Iceberg field ids as metadata (`PARQUET:field_id`). Files that were written before a column was
    /// added lack it: its values are null there.
    pub(crate) schema: SchemaRef,
    /// The same in Iceberg's words.
    pub(crate) columns: TableSchemaRef,
    /// None: the table has no rows yet.
    pub(crate) snapshot: Option<i64>,
    /// Of the data files, rows that are marked as deleted included.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) files: Arc<Vec<DataFile>>,
    /// Rows of other writers' files that are gone, and the files do not know.
    pub(crate) deletes: Vec<Arc<DeleteFile>>,
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
    pub(crate) entry: ManifestEntryRef,
    pub(crate) spec_id: i32,
    pub(crate) scan: ScanFile,
    /// Whether only [`super::Tables::scan`] reads it rightly.
    pub(crate) needs_care: bool,
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

pub(super) fn table(
    name: &TableName,
    state: &TableState,
    snapshot: Option<&SnapshotRef>,
    live: &[Live],
) -> Result<LoadedTable> {
    let metadata = &state.metadata;
    let schema = match snapshot {
        Some(snapshot) if metadata.current_snapshot_id() != Some(snapshot.snapshot_id()) => {
            snapshot.schema(metadata).map_err(crate::error::iceberg(format_args!("reading `{name}`")))?
        }
        // Columns that were added since are null in the rows of before.
        _ => Arc::clone(metadata.current_schema()),
    };
    check_defaults(name, &schema)?;
    let arrow = types::to_arrow(&schema);
    let deletes = read::deletes_of(metadata, live)?;
    let names = read::name_mapping(metadata)?;
    let unpartitioned = PartitionSpec::unpartition_spec();
    let mut files = Vec::new();
    for live in live.iter().filter(|live| holds_data(&live.manifest)) {
        let spec_id = live.manifest.partition_spec_id;
        let spec = metadata.partition_spec_by_id(spec_id).map_or(&unpartitioned, AsRef::as_ref);
        for entry in &live.entries {
            let file = entry.data_file();
            if file.file_format() != DataFileFormat::Parquet {
                return Err(Error::unsupported(format!(
                    "`{name}` has files of format {}: only Parquet is read",
                    file.file_format()
                )));
            }
            let applying = read::applying(&deletes, entry, spec_id);
            let exact = applying.is_empty();
            let scan = ScanFile::of_table(file, spec, &schema, names.as_ref(), applying)?;
            files.push(DataFile {
                location: file.file_path().to_owned(),
                size: file.file_size_in_bytes(),
                rows: file.record_count(),
                statistics: Arc::new(metrics::statistics(file, spec, &schema, &arrow, exact)),
                entry: Arc::clone(entry),
                spec_id,
                needs_care: scan.needs_care(file),
                scan,
            });
        }
    }
    let mut properties: Vec<(String, String)> =
        metadata.properties().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    properties.sort();
    Ok(LoadedTable {
        name: name.clone(),
        schema: arrow,
        columns: schema,
        snapshot: snapshot.map(|snapshot| snapshot.snapshot_id()),
        rows: files.iter().map(|file| file.rows).sum(),
        bytes: files.iter().map(|file| file.size).sum(),
        files: Arc::new(files),
        deletes,
        location: metadata.location().to_owned(),
        properties,
        state: state.clone(),
    })
}

/// Files of format 3 may lack a column whose values are all its default.
fn check_defaults(name: &TableName, schema: &Schema) -> Result<()> {
    match schema.as_struct().fields().iter().find(|field| field.initial_default.is_some()) {
        Some(field) => Err(Error::unsupported(format!(
            "column `{}` of `{name}` has a default for files without it, which is not read here",
            field.name
        ))),
        None => Ok(()),
    }
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

impl LoadedTable {
    /// How many rows there are, where that is known without reading them.
    pub(crate) fn exact_rows(&self) -> Option<u64> {
        self.files.iter().all(|file| file.scan.deletes.is_empty()).then_some(self.rows)
    }
}

impl Loaded {
    pub(crate) fn info(&self) -> TableInfo {
        match self {
            Self::Table(table) => {
                let metadata = &table.state.metadata;
                TableInfo {
                    columns: types::columns(&table.columns),
                    rows: table.exact_rows(),
                    bytes: Some(table.bytes),
                    created_at: created_at(metadata),
                    updated_at: at(metadata.last_updated_ms()),
                    location: table.location.clone(),
                    partitioning: layout::shown_partitioning(
                        metadata.default_partition_spec(),
                        metadata.current_schema(),
                    ),
                    properties: table.properties.clone(),
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
                    properties: Vec::new(),
                    view_sql: Some(view.sql.clone()),
                }
            }
        }
    }

    pub(crate) fn describe(&self) -> Table {
        let info = self.info();
        let (name, snapshot) = match self {
            Self::Table(table) => (table.name.clone(), table.snapshot),
            Self::View(view) => (view.name.clone(), None),
        };
        Table {
            name,
            columns: info.columns,
            snapshot,
            rows: info.rows,
            bytes: info.bytes,
            location: info.location,
            properties: info.properties,
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
