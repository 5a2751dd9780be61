//! The host's side of syncs: tables in memory, with the host's promises. Rows are staged, and are in a table together with the
//! checkpoint that follows them or not at all.

use std::collections::BTreeMap;
use std::io::Cursor;

use arrow_array::{Array as _, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_ipc::reader::StreamReader;
use asgard_contract::connector::{Event, Ingestion, RowData, SyncMode};
use asgard_contract::{Error, Result};
use asgard_plugins::Sync;
use serde_json::Value;

use crate::host::Host;

/// Values by column as Arrow shows them; nulls are left out.
pub(crate) type Row = BTreeMap<String, String>;

/// The only table of an ingestion.
pub(crate) struct Lake {
    pub(crate) ingestion: Ingestion,
    pub(crate) rows: Vec<Row>,
    pub(crate) failure: Option<Error>,
    pub(crate) checkpoints: usize,
    staged: Vec<Row>,
    kept: Vec<Row>,
    state: Option<(String, Vec<u8>)>,
    syncs: u32,
}

impl Lake {
    pub(crate) async fn new(host: &Host, configuration: &Value, mode: SyncMode) -> Self {
        Self {
            ingestion: host.ingestion(configuration, mode).await,
            rows: Vec::new(),
            failure: None,
            checkpoints: 0,
            staged: Vec::new(),
            kept: Vec::new(),
            state: None,
            syncs: 0,
        }
    }

    /// A whole sync under a task of its own.
    pub(crate) async fn sync(&mut self, host: &Host) -> Result<()> {
        let task = self.next_task();
        let mut sync = self.open(host, &task).await;
        while self.take(sync.next().await?, &task) {}
        Ok(())
    }

    /// A whole sync that must bring all rows.
    pub(crate) async fn filled(host: &Host, configuration: &Value, mode: SyncMode) -> Self {
        let mut lake = Self::new(host, configuration, mode).await;
        lake.sync(host).await.unwrap();
        assert_eq!(lake.failure, None);
        lake
    }

    pub(crate) fn next_task(&mut self) -> String {
        self.syncs += 1;
        format!("sync {}", self.syncs)
    }

    fn mode(&self) -> SyncMode {
        self.ingestion.streams[0].sync_mode
    }

    /// As the host opens a sync, for the first time or after a crash: what was staged is gone.
    pub(crate) async fn open(&mut self, host: &Host, task: &str) -> Sync {
        self.staged.clear();
        self.failure = None;
        let starts_over = matches!(self.mode(), SyncMode::FullRefreshOverwrite | SyncMode::FullRefreshAppend);
        let state = self.state.as_ref().filter(|(of, _)| of == task || !starts_over);
        if state.is_none() {
            self.kept.clear();
        }
        let mut ingestion = self.ingestion.clone();
        ingestion.streams[0].checkpoint = state.map(|(_, bytes)| bytes.clone());
        host.open(&ingestion, task).await.unwrap()
    }

    /// False at the end.
    pub(crate) fn take(&mut self, event: Event, task: &str) -> bool {
        match event {
            Event::Rows(rows) => {
                assert_eq!(rows.stream, 0);
                let columns = &self.ingestion.streams[0].columns;
                for batch in batches(rows.data) {
                    let schema = batch.schema();
                    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                    let expected: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                    assert_eq!(names, expected, "rows have the stream's columns");
                    self.staged.extend((0..batch.num_rows()).map(|row| row_of(&batch, row)));
                }
            }
            Event::Evolved { columns, .. } => self.ingestion.streams[0].columns = columns,
            Event::Checkpoint { state, complete, .. } => {
                self.commit(complete);
                self.checkpoints += 1;
                self.state = Some((task.to_owned(), state));
            }
            Event::StreamFailed { error, .. } => self.failure = Some(error),
            Event::Progress(_) | Event::Waiting(_) => {}
            Event::Truncated { .. } | Event::Moved { .. } | Event::Divided(_) => panic!("nothing of that kind"),
            Event::Done => return false,
        }
        true
    }

    fn commit(&mut self, complete: bool) {
        let staged = std::mem::take(&mut self.staged);
        match self.mode() {
            SyncMode::FullRefreshOverwrite => {
                self.kept.extend(staged);
                if complete {
                    self.rows = std::mem::take(&mut self.kept);
                }
            }
            SyncMode::IncrementalMerge => {
                let keys = self.ingestion.streams[0].primary_key.clone();
                for row in staged {
                    let key = |row: &Row| keys.iter().map(|column| row[column].clone()).collect::<Vec<_>>();
                    self.rows.retain(|other| key(other) != key(&row));
                    self.rows.push(row);
                }
            }
            _ => self.rows.extend(staged),
        }
    }

    /// One column in the order of the rows; `∅` for null.
    pub(crate) fn column(&self, name: &str) -> Vec<&str> {
        self.rows.iter().map(|row| row.get(name).map_or("∅", String::as_str)).collect()
    }

    /// Why the stream failed.
    pub(crate) fn told(&self) -> String {
        self.failure.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

fn batches(data: RowData) -> Vec<RecordBatch> {
    let RowData::ArrowIpc(data) = data else { panic!("not Arrow") };
    StreamReader::try_new(Cursor::new(data), None).unwrap().map(std::result::Result::unwrap).collect()
}

fn row_of(batch: &RecordBatch, row: usize) -> Row {
    let schema = batch.schema();
    let options = FormatOptions::default();
    schema
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(_, column)| column.is_valid(row) && !column.data_type().is_null())
        .map(|(field, column)| {
            let shown = ArrayFormatter::try_new(column.as_ref(), &options).unwrap().value(row).to_string();
            (field.name().clone(), shown)
        })
        .collect()
}
