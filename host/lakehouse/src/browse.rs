//! Tables as people look at them: what there are, what one is made of, its history, a page of its rows.

use std::collections::{BTreeMap, HashMap};

use asgard_contract::lakehouse::{Dialect, Statement};
use asgard_contract::{Column, Error, Result, TableName};
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use iceberg::spec::{Schema, Snapshot, TableMetadata, Type};

use crate::catalog::{Kind, Listed};
use crate::engine::{Answer, Query, as_ipc};
use crate::tables::maintenance::references;
use crate::tables::parts::notes;
use crate::tables::{AsOf, DataFile, Loaded, LoadedTable, layout};
use crate::{Lakehouse, types};

/// Properties that are notes of the host to itself.
const OWN_PROPERTIES: [&str; 2] = ["asgard.checkpoint", "asgard.maintenance"];

/// A column with its id: what it is called may change, its id does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    pub id: i32,
    pub column: Column,
}

/// One commit of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotInfo {
    pub id: i64,
    pub parent: Option<i64>,
    pub committed_at: Option<DateTime<Utc>>,
    /// `append`, `replace`, `overwrite` or `delete`.
    pub operation: String,
    /// Counts of files and rows, as the writer noted them.
    pub summary: BTreeMap<String, String>,
    /// Branches and tags that are at it.
    pub refs: Vec<String>,
    pub is_current: bool,
}

impl SnapshotInfo {
    /// The task that committed it; none for what another program did.
    pub fn task(&self) -> Option<&str> {
        let of_statement = || Some(self.summary.get(notes::KEY)?.split_once('/')?.0);
        self.summary.get(notes::SYNC).map(String::as_str).or_else(of_statement)
    }

    /// The snapshots that the commit's statement read.
    pub fn inputs(&self) -> Vec<(TableName, i64)> {
        let noted: BTreeMap<String, i64> =
            self.summary.get(notes::INPUTS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        noted.into_iter().filter_map(|(table, snapshot)| Some((TableName::parse(&table).ok()?, snapshot))).collect()
    }
}

/// Everything that is known of a table without reading its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDetails {
    pub name: TableName,
    pub kind: Kind,
    pub columns: Vec<TableColumn>,
    pub partitioning: Vec<String>,
    pub sorted_by: Vec<String>,
    pub properties: BTreeMap<String, String>,
    /// None for views, and where rows are marked as deleted: they are only known by reading.
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    pub data_files: Option<u64>,
    pub delete_files: Option<u64>,
    /// The one that is shown.
    pub snapshot: Option<SnapshotInfo>,
    pub format_version: Option<u8>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    /// A URL.
    pub location: String,
    pub view_sql: Option<String>,
}

/// Which rows of a table.
#[derive(Debug, Clone, Default)]
pub struct RowsQuery {
    /// None: all.
    pub columns: Option<Vec<String>>,
    pub as_of: Option<AsOf>,
    pub offset: u64,
    pub limit: u32,
}

impl Lakehouse {
    /// Tables and views, by name; of one namespace, or of all.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn entries(&self, namespace: Option<&str>) -> Result<Vec<Listed>> {
        self.tables.inner.catalog.list(namespace).await
    }

    /// What a table or view is made of, now or as of then.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for `as_of`.
    pub async fn details(&self, table: &TableName, as_of: Option<AsOf>) -> Result<TableDetails> {
        let loaded = self.loaded(table, as_of).await?;
        let info = loaded.info();
        let mut details = TableDetails {
            name: table.clone(),
            kind: Kind::View,
            columns: Vec::new(),
            partitioning: Vec::new(),
            sorted_by: Vec::new(),
            properties: BTreeMap::new(),
            rows: info.rows,
            bytes: info.bytes,
            data_files: None,
            delete_files: None,
            snapshot: None,
            format_version: None,
            created_at: info.created_at,
            updated_at: info.updated_at,
            location: info.location,
            view_sql: info.view_sql,
        };
        let schema = match &loaded {
            Loaded::View(view) => std::sync::Arc::clone(view.state.metadata.current_schema()),
            Loaded::Table(table) => {
                let metadata = &table.state.metadata;
                details.kind = Kind::Table;
                details.partitioning = info.partitioning;
                details.sorted_by = layout::shown_order(metadata.default_sort_order(), metadata.current_schema());
                let shown = |name: &str| !OWN_PROPERTIES.iter().any(|own| name.starts_with(own));
                details.properties = info.properties.into_iter().filter(|(name, _)| shown(name)).collect();
                details.data_files = Some(table.files.len() as u64);
                details.delete_files = Some(table.deletes.len() as u64);
                let refs = references(metadata)?;
                let shown = table.snapshot.and_then(|id| metadata.snapshot_by_id(id));
                details.snapshot = shown.map(|snapshot| shown_snapshot(metadata, &refs, snapshot));
                details.format_version = Some(metadata.format_version() as u8);
                std::sync::Arc::clone(&table.columns)
            }
        };
        let ids = schema.as_struct().fields().iter().map(|field| field.id);
        details.columns = ids.zip(types::columns(&schema)).map(|(id, column)| TableColumn { id, column }).collect();
        Ok(details)
    }

    /// The commits of a table, newest first.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for a view, which has none.
    pub async fn snapshots(&self, table: &TableName) -> Result<Vec<SnapshotInfo>> {
        let Loaded::Table(loaded) = self.tables.load(table).await? else {
            let message = format!("`{table}` is a view: it has no snapshots, the tables that it reads do");
            return Err(Error::invalid("name", message));
        };
        let metadata = &loaded.state.metadata;
        let mut all: Vec<_> = metadata.snapshots().collect();
        all.sort_by_key(|snapshot| std::cmp::Reverse((snapshot.sequence_number(), snapshot.timestamp_ms())));
        let refs = references(metadata)?;
        Ok(all.into_iter().map(|snapshot| shown_snapshot(metadata, &refs, snapshot)).collect())
    }

    /// A page of rows. Those of a table are in the order of its files, which is the same for every page of one snapshot; a
    /// view's are in the order of the columns that are asked for, since its statement has them in another one each time.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for `columns` and `as_of`, and for `cursor` where a view's rows have no order.
    pub async fn rows(&self, table: &TableName, query: &RowsQuery) -> Result<Answer> {
        match self.loaded(table, query.as_of).await? {
            Loaded::Table(loaded) => self.table_rows(&loaded, query).await,
            Loaded::View(view) => self.view_rows(table, view.state.metadata.current_schema(), query).await,
        }
    }

    /// Runs a statement that only reads, and answers with its first rows.
    ///
    /// # Errors
    /// `invalid-input` for `sql`, with line and column.
    pub async fn ask(&self, query: &Query) -> Result<Answer> {
        self.engine.ask(query).await
    }

    /// This engine's plan of a statement and the tables that it would read, as text.
    ///
    /// # Errors
    /// `invalid-input` for `sql`, with line and column.
    pub async fn explain(&self, statement: &Statement) -> Result<String> {
        self.engine.explain(statement).await
    }

    async fn loaded(&self, table: &TableName, as_of: Option<AsOf>) -> Result<Loaded> {
        match as_of {
            Some(as_of) => self.tables.load_as_of(table, as_of).await,
            None => self.tables.load(table).await,
        }
    }

    async fn table_rows(&self, table: &LoadedTable, query: &RowsQuery) -> Result<Answer> {
        let all = types::columns(&table.columns);
        let wanted = wanted(&all, query.columns.as_deref())?;
        // Whole files are passed over by their counts, where those are the rows that are left.
        let mut skip = query.offset;
        let mut files: &[DataFile] = &table.files;
        while let [first, rest @ ..] = files
            && first.scan.deletes.is_empty()
            && first.rows <= skip
        {
            skip -= first.rows;
            files = rest;
        }
        let (mut batches, mut left, mut more) = (Vec::new(), query.limit as usize, false);
        let mut rows = self.tables.scan(table, files, Some(&wanted))?;
        let schema = rows.schema();
        while let Some(batch) = rows.try_next().await.map_err(crate::error::rows)? {
            let gone = usize::try_from(skip).unwrap_or(usize::MAX).min(batch.num_rows());
            skip -= gone as u64;
            let batch = batch.slice(gone, batch.num_rows() - gone);
            if batch.num_rows() > left {
                more = true;
            }
            let taken = batch.num_rows().min(left);
            left -= taken;
            if taken > 0 {
                batches.push(batch.slice(0, taken));
            }
            if more {
                break;
            }
        }
        Ok(Answer {
            columns: wanted.into_iter().map(|index| all[index].clone()).collect(),
            rows: as_ipc(&schema, &batches)?,
            more,
            snapshots: vec![(table.name.clone(), table.snapshot)],
        })
    }

    async fn view_rows(&self, view: &TableName, schema: &Schema, query: &RowsQuery) -> Result<Answer> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let all = types::columns(schema);
        let wanted = wanted(&all, query.columns.as_deref())?;
        let fields = schema.as_struct().fields();
        let (ordered, others): (Vec<usize>, Vec<usize>) =
            wanted.iter().partition(|index| has_order(&fields[**index].field_type));
        if let (Some(other), true) = (others.first(), query.offset > 0) {
            let message = format!(
                "rows of view `{view}` have no order by column `{}`, so pages behind the first may repeat or miss some: leave it out of \
                 `columns`, or ask by `POST /lakehouse/query` with an ORDER BY",
                all[*other].name
            );
            return Err(Error::invalid("cursor", message));
        }
        let names =
            |indices: &[usize]| indices.iter().map(|index| quoted(&all[*index].name)).collect::<Vec<_>>().join(", ");
        let columns = names(&wanted);
        let order = if ordered.is_empty() { String::new() } else { format!(" ORDER BY {}", names(&ordered)) };
        let sql = format!("SELECT {columns} FROM {}.{}{order}", quoted(&view.namespace), quoted(&view.name));
        self.ask(&Query {
            statement: Statement { sql, dialect: Dialect::Trino, inputs: Vec::new() },
            as_of: query.as_of,
            offset: u32::try_from(query.offset).unwrap_or(u32::MAX),
            max_rows: query.limit,
            time: None,
            memory_bytes: None,
        })
        .await
        // The statement is not the caller's.
        .map_err(|error| match error {
            Error::InvalidInput { field: Some(field), message } if field == "sql" => {
                Error::InvalidInput { field: None, message }
            }
            other => other,
        })
    }
}

/// Places of the columns that are asked for; none named = all.
fn wanted(all: &[Column], names: Option<&[String]>) -> Result<Vec<usize>> {
    match names {
        None => Ok((0..all.len()).collect()),
        Some(names) => names.iter().map(|name| position(all, name)).collect(),
    }
}

/// Whether SQL puts values of a type in an order: those of maps, and what has some inside, have none.
fn has_order(of: &Type) -> bool {
    match of {
        Type::Primitive(_) => true,
        Type::List(list) => list.element_field.field_type.is_primitive(),
        Type::Struct(_) | Type::Map(_) => false,
    }
}

fn position(columns: &[Column], name: &str) -> Result<usize> {
    let found = columns.iter().position(|column| column.name == name);
    found.or_else(|| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))).ok_or_else(|| {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        Error::invalid("columns", format!("there is no column `{name}`: there are {}", names.join(", ")))
    })
}

fn shown_snapshot(metadata: &TableMetadata, refs: &HashMap<String, i64>, snapshot: &Snapshot) -> SnapshotInfo {
    let mut names: Vec<String> =
        refs.iter().filter(|(_, at)| **at == snapshot.snapshot_id()).map(|(name, _)| name.clone()).collect();
    names.sort();
    SnapshotInfo {
        id: snapshot.snapshot_id(),
        parent: snapshot.parent_snapshot_id(),
        committed_at: DateTime::from_timestamp_millis(snapshot.timestamp_ms()),
        operation: snapshot.summary().operation.as_str().to_owned(),
        summary: snapshot.summary().additional_properties.clone().into_iter().collect(),
        refs: names,
        is_current: metadata.current_snapshot_id() == Some(snapshot.snapshot_id()),
    }
}
