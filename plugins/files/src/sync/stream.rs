//! One stream of a sync.

use std::collections::{HashSet, VecDeque};

use asgard_sdk::connector::{Checkpoint, Event, Evolution, RowData, Rows, StreamSelection, SyncMode};
use asgard_sdk::context::{self, Level};
use asgard_sdk::{Column, Error, Progress, Result};

use super::checkpoint::{Part, State, digest, is_incremental};
use super::reading::{Needs, Piece, Reading};
use crate::configuration::{Configuration, Format, Stream};
use crate::discovery::{Dialects, common_format, dialect_of, no_files};
use crate::location::{self, Entry};
use crate::text::Dialect;

/// A checkpoint is a commit of the table: rare enough to cost nothing, often enough that little is read twice.
const CHECKPOINT_ROWS: u64 = 250_000;
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// A stream that is being read.
pub(super) struct StreamRun {
    number: u32,
    stream: Stream,
    mode: SyncMode,
    columns: Vec<Column>,
    primary_key: Vec<String>,
    format: Format,
    dialect: Dialect,
    files: VecDeque<Entry>,
    total: usize,
    /// Digests of all files that are there now.
    present: HashSet<String>,
    state: State,
    reading: Option<Reading>,
    rows: u64,
    rows_since: u64,
    bytes_since: u64,
    ended: bool,
}

impl StreamRun {
    /// Finds the files that are to be read. None: this task has read them.
    pub(super) fn begin(
        configuration: &Configuration,
        dialects: &Dialects,
        number: u32,
        selection: &StreamSelection,
        task: &str,
    ) -> Result<Option<Self>> {
        let mode = selection.sync_mode;
        let state = State::of(selection.checkpoint.as_deref(), task, mode);
        if state.is_complete() {
            return Ok(None);
        }
        let stream = configuration.stream(&selection.name).ok_or_else(|| {
            Error::NotFound(format!(
                "the source's configuration has no stream `{}` any more: restore it, or make an ingestion of the others",
                selection.name
            ))
        })?;
        let found = location::find(&configuration.location, &stream.files)?;
        if found.is_empty() && !is_incremental(mode) {
            // An empty folder is more often a mistake than a source that lost all rows.
            let message = format!("{}: the table keeps its rows", no_files(configuration, stream));
            return Err(Error::NotFound(message));
        }
        let (format, dialect) = if found.is_empty() {
            (Format::Jsonl {}, Dialect::of(&crate::configuration::Csv::default(), b""))
        } else {
            let format = common_format(configuration, stream, &found)?;
            let dialect = match (dialects.of(&stream.name), &format) {
                (Some(known), Format::Csv(_)) => known.clone(),
                _ => dialect_of(configuration, stream, &format, &found.first().into_iter().collect::<Vec<_>>())?,
            };
            (format, dialect)
        };
        let present = found.iter().map(digest).collect();
        let files: VecDeque<Entry> = state.left(found, mode)?.into();
        Ok(Some(Self {
            number,
            stream: stream.clone(),
            mode,
            columns: selection.columns.clone(),
            primary_key: selection.primary_key.clone(),
            format,
            dialect,
            total: files.len(),
            files,
            present,
            state,
            reading: None,
            rows: 0,
            rows_since: 0,
            bytes_since: 0,
            ended: false,
        }))
    }

    /// What comes next; none at the end.
    pub(super) fn step(&mut self, configuration: &Configuration) -> Result<Option<Vec<Event>>> {
        if self.ended {
            return Ok(None);
        }
        let Some(reading) = &mut self.reading else { return self.open_next(configuration).map(Some) };
        let needs = Needs { stream: &self.stream, columns: &self.columns, primary_key: &self.primary_key };
        let mut events = Vec::new();
        match reading.next(&needs)? {
            Piece::Rows { evolved, data, rows, bytes } => {
                self.rows += rows;
                self.rows_since += rows;
                self.bytes_since += bytes;
                if let Some(columns) = evolved {
                    self.columns.clone_from(&columns);
                    events.push(Event::Evolved(Evolution { stream: self.number, columns }));
                }
                events.push(Event::Rows(Rows::inserts(self.number, RowData::ArrowIpc(data))));
            }
            Piece::Nothing => {}
            Piece::End => {
                reading.prove_unchanged()?;
                self.state.finished(&reading.entry, self.mode, &self.present)?;
                self.reading = None;
            }
        }
        if self.rows_since >= CHECKPOINT_ROWS || self.bytes_since >= CHECKPOINT_BYTES {
            events.extend(self.checkpoint()?);
        }
        Ok(Some(events))
    }

    fn open_next(&mut self, configuration: &Configuration) -> Result<Vec<Event>> {
        let Some(entry) = self.files.pop_front() else {
            self.ended = true;
            self.state.completed();
            context::log(Level::Info, &format!("{}: {} rows from {} files", self.stream.name, self.rows, self.total));
            return Ok(vec![Event::Checkpoint(Checkpoint {
                stream: Some(self.number),
                state: self.state.write()?,
                complete: true,
            })]);
        };
        let done = self.total - self.files.len() - 1;
        let message = format!("{}: reading {} (file {} of {})", self.stream.name, entry.path, done + 1, self.total);
        let position = self.state.part.as_ref().filter(|part| part.file == digest(&entry)).map(|part| part.position);
        let reading = Reading::open(configuration, &self.stream, &self.format, &self.dialect, entry, position)?;
        self.reading = Some(reading);
        Ok(vec![Event::Progress(Progress { message, fraction: Some(done as f64 / self.total as f64) })])
    }

    /// A checkpoint, if there is a place to go on from.
    fn checkpoint(&mut self) -> Result<Option<Event>> {
        if let Some(reading) = &self.reading {
            let Some(position) = reading.position() else { return Ok(None) };
            // Rows of a file that changed are not committed.
            reading.prove_unchanged()?;
            self.state.part = Some(Part { file: digest(&reading.entry), position });
        }
        (self.rows_since, self.bytes_since) = (0, 0);
        let state = self.state.write()?;
        Ok(Some(Event::Checkpoint(Checkpoint { stream: Some(self.number), state, complete: false })))
    }
}
