//! What the tests of this crate share: rows from JSON, tables back to JSON.

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use asgard_contract::TableName;
use asgard_contract::environment::Limits;
use asgard_contract::lakehouse::{Dialect, Statement, TableWrite, WriteMode};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt as _;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::LakehouseConfig;
use crate::engine::{Query, SqlEngine};
use crate::rows::{rows_from_json, rows_to_json};
use crate::tables::{Loaded, LoadedTable, Reads, Tables};

/// A lakehouse's folder, deleted at the end of the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) async fn open(&self) -> Tables {
        Tables::open(&LakehouseConfig {
            folder: self.0.path().to_owned(),
            catalog: crate::CatalogConfig::Sqlite,
            storage: None,
            limits: asgard_contract::environment::Limits::default(),
        })
        .await
        .unwrap()
    }

    /// With so many keys of a merge in memory, the others in files.
    pub(crate) async fn open_holding(&self, keys: usize) -> Tables {
        let mut tables = self.open().await;
        Arc::get_mut(&mut tables.inner).unwrap().held_keys = keys;
        tables
    }

    /// Names of the files below a folder of the lakehouse.
    pub(crate) fn files(&self, below: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.0.path().join(below)) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// A small generator: the same seed gives the same run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

pub(crate) fn name(text: &str) -> TableName {
    TableName::parse(text).unwrap()
}

pub(crate) fn ipc(rows: Value) -> Vec<u8> {
    let rows: Vec<Map<String, Value>> = serde_json::from_value(rows).unwrap();
    rows_from_json(&rows, "at").unwrap()
}

pub(crate) fn batch(rows: Value) -> RecordBatch {
    StreamReader::try_new(ipc(rows).as_slice(), None).unwrap().next().unwrap().unwrap()
}

pub(crate) fn stream(rows: Value) -> SendableRecordBatchStream {
    let batch = batch(rows);
    Box::pin(RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)])))
}

/// Some rows, then an error.
pub(crate) fn failing(rows: Value, error: asgard_contract::Error) -> SendableRecordBatchStream {
    let batch = batch(rows);
    let error = DataFusionError::External(Box::new(error));
    Box::pin(RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch), Err(error)])))
}

pub(crate) fn target(table: &str, mode: WriteMode, key: &[&str]) -> TableWrite {
    TableWrite { table: name(table), mode, key: key.iter().map(ToString::to_string).collect(), properties: Vec::new() }
}

pub(crate) fn no_reads() -> Reads {
    Reads::default()
}

pub(crate) async fn table(tables: &Tables, table: &str) -> LoadedTable {
    match tables.load(&name(table)).await.unwrap() {
        Loaded::Table(table) => table,
        Loaded::View(_) => panic!("`{table}` is a view"),
    }
}

/// All rows, sorted by their text.
pub(crate) async fn content(tables: &Tables, of: &str) -> Value {
    let loaded = table(tables, of).await;
    rows_of(tables, &loaded).await
}

pub(crate) async fn rows_of(tables: &Tables, loaded: &LoadedTable) -> Value {
    let stream = tables.scan(loaded, &loaded.files, None).unwrap();
    let schema = stream.schema();
    let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    let mut rows = rows_to_json(&writer.into_inner().unwrap()).unwrap();
    rows.sort_by_key(|row| json!(row).to_string());
    json!(rows)
}

/// The rows of a query in Trino's SQL, in its order.
pub(crate) async fn sql(tables: &Tables, sql: &str) -> Value {
    let engine = SqlEngine::new(tables.clone(), &Limits::default()).unwrap();
    let statement = Statement { sql: sql.to_owned(), dialect: Dialect::Trino, inputs: Vec::new() };
    let query = Query { statement, as_of: None, offset: 0, max_rows: 10_000, time: None, memory_bytes: None };
    json!(rows_to_json(&engine.ask(&query).await.unwrap().rows).unwrap())
}

/// Names and types of the columns.
pub(crate) async fn columns(tables: &Tables, table: &str) -> Vec<(String, String)> {
    let info = tables.load(&name(table)).await.unwrap().info();
    info.columns.into_iter().map(|column| (column.name, column.data_type)).collect()
}

pub(crate) fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// A lakehouse that several writers have open, each as another process would.
pub(crate) async fn open_twice(folder: &Folder) -> [Arc<Tables>; 2] {
    [Arc::new(folder.open().await), Arc::new(folder.open().await)]
}
