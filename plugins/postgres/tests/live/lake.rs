//! The host's side of syncs: tables in memory, with the host's promises. Rows are staged, and are in a table together with the
//! checkpoint that follows them or not at all.

use std::collections::BTreeMap;
use std::io::Cursor;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use asgard_plugin_postgres::sync::Run;
use asgard_sdk::connector::{Change, Event, RowData, Rows, StreamSelection, SyncMode};
use asgard_sdk::{Error, Result};

use crate::server::Database;
use crate::types::shown;

/// Values by column, as Arrow shows them; nulls are left out.
pub(crate) type Row = BTreeMap<String, String>;

/// The tables of an ingestion.
#[derive(Clone)]
pub(crate) struct Lake {
    pub(crate) tables: Vec<Table>,
    syncs: u32,
}

#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) stream: StreamSelection,
    pub(crate) rows: Vec<Row>,
    pub(crate) failure: Option<Error>,
    staged: Vec<Staged>,
    state: Option<State>,
}

#[derive(Clone)]
struct State {
    task: String,
    bytes: Vec<u8>,
}

#[derive(Clone)]
enum Staged {
    Rows { rows: Vec<Row>, changes: Vec<Change>, kept: Vec<String>, previous: Option<Vec<Row>> },
    Cleared,
}

impl Lake {
    pub(crate) fn new(streams: Vec<StreamSelection>) -> Self {
        let table = |stream| Table { stream, rows: Vec::new(), failure: None, staged: Vec::new(), state: None };
        Self { tables: streams.into_iter().map(table).collect(), syncs: 0 }
    }

    /// A whole sync.
    pub(crate) fn sync(&mut self, database: &Database<'_>) -> Result<()> {
        let task = self.next_task();
        let mut run = self.open(database, &task);
        loop {
            let event = run.next_event()?;
            if !self.take(event, &task) {
                return Ok(());
            }
        }
    }

    pub(crate) fn next_task(&mut self) -> String {
        self.syncs += 1;
        format!("sync {}", self.syncs)
    }

    /// As the host opens a sync, for the first time or after a crash: what was staged is gone.
    pub(crate) fn open(&mut self, database: &Database<'_>, task: &str) -> Run {
        let mut streams = Vec::new();
        for table in &mut self.tables {
            table.staged.clear();
            table.failure = None;
            let starts_over =
                matches!(table.stream.sync_mode, SyncMode::FullRefreshOverwrite | SyncMode::FullRefreshAppend);
            let state = table.state.as_ref().filter(|state| state.task == task || !starts_over);
            let checkpoint = state.map(|state| state.bytes.clone());
            streams.push(StreamSelection { checkpoint, ..table.stream.clone() });
        }
        database.open(task, streams)
    }

    /// False at the end.
    pub(crate) fn take(&mut self, event: Event, task: &str) -> bool {
        match event {
            Event::Rows(rows) => {
                let table = &mut self.tables[rows.stream as usize];
                table.staged.push(staged(rows));
            }
            Event::Truncated(stream) => {
                let table = &mut self.tables[stream as usize];
                table.staged = vec![Staged::Cleared];
            }
            Event::Evolved(evolution) => self.tables[evolution.stream as usize].stream.columns = evolution.columns,
            Event::Checkpoint(checkpoint) => {
                let table = &mut self.tables[checkpoint.stream.unwrap() as usize];
                table.commit();
                table.state = Some(State { task: task.to_owned(), bytes: checkpoint.state });
            }
            Event::StreamFailed((stream, error)) => self.tables[stream as usize].failure = Some(error),
            Event::Progress(_) | Event::Waiting(_) => {}
            Event::Moved(_) | Event::Divided(_) => panic!("nothing moves by itself, and no parts were asked for"),
            Event::Done => return false,
        }
        true
    }

    /// As the host's reset does it.
    pub(crate) fn reset(&mut self, streams: &[StreamSelection]) {
        for (table, stream) in self.tables.iter_mut().zip(streams) {
            table.state = None;
            table.stream.columns.clone_from(&stream.columns);
        }
    }

    /// The rows of a table, sorted.
    pub(crate) fn rows(&self, table: usize) -> Vec<Row> {
        let mut rows = self.tables[table].rows.clone();
        rows.sort();
        rows
    }

    /// One column of a table by another that is a number, such as `1=a 2=b`.
    pub(crate) fn shown(&self, table: usize, key: &str, value: &str) -> String {
        let text = |row: &Row| format!("{}={}", row[key], row.get(value).map_or("null", String::as_str));
        let mut rows = self.rows(table);
        rows.sort_by_key(|row| row[key].parse::<i64>().unwrap());
        rows.iter().map(text).collect::<Vec<_>>().join(" ")
    }
}

impl Table {
    fn merges(&self) -> bool {
        matches!(self.stream.sync_mode, SyncMode::ChangeDataCapture | SyncMode::IncrementalMerge)
    }

    fn commit(&mut self) {
        let starts_over =
            self.stream.sync_mode == SyncMode::FullRefreshOverwrite || self.merges() && self.state.is_none();
        if starts_over {
            self.rows.clear();
        }
        for staged in std::mem::take(&mut self.staged) {
            let Staged::Rows { rows, changes, kept, previous } = staged else {
                self.rows.clear();
                continue;
            };
            if !self.merges() {
                assert!(changes.is_empty());
                self.rows.extend(rows);
                continue;
            }
            self.merge(rows, &changes, &kept, previous.as_deref());
        }
    }

    fn merge(&mut self, rows: Vec<Row>, changes: &[Change], kept: &[String], previous: Option<&[Row]>) {
        let mut by_key: BTreeMap<Vec<String>, Row> =
            std::mem::take(&mut self.rows).into_iter().map(|row| (self.key(&row), row)).collect();
        for (index, mut row) in rows.into_iter().enumerate() {
            let key = self.key(&row);
            let before = by_key.remove(&previous.map_or(key.clone(), |keys| self.key(&keys[index])));
            if changes.get(index) == Some(&Change::Delete) {
                continue;
            }
            for column in kept {
                assert!(!row.contains_key(column));
                if let Some(value) = before.as_ref().and_then(|before| before.get(column)) {
                    row.insert(column.clone(), value.clone());
                }
            }
            by_key.insert(key, row);
        }
        self.rows = by_key.into_values().collect();
    }

    fn key(&self, row: &Row) -> Vec<String> {
        self.stream.primary_key.iter().map(|column| row[column].clone()).collect()
    }
}

fn staged(rows: Rows) -> Staged {
    let previous = rows.previous_keys.map(read);
    let all = read(rows.data);
    assert!(rows.changes.is_empty() || rows.changes.len() == all.len());
    assert!(previous.as_ref().is_none_or(|keys| keys.len() == all.len()));
    Staged::Rows { rows: all, changes: rows.changes, kept: rows.kept, previous }
}

fn read(data: RowData) -> Vec<Row> {
    let RowData::ArrowIpc(data) = data else { panic!("not Arrow") };
    let batches = StreamReader::try_new(Cursor::new(data), None).unwrap().map(std::result::Result::unwrap);
    batches.flat_map(|batch| (0..batch.num_rows()).map(|row| row_of(&batch, row)).collect::<Vec<_>>()).collect()
}

fn row_of(batch: &RecordBatch, row: usize) -> Row {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let there = columns.filter(|(_, column)| !column.is_null(row));
    there.map(|(field, column)| (field.name().clone(), shown(column.as_ref(), row))).collect()
}
