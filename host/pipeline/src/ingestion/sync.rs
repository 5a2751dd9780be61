//! One sync: rows from a connector into bronze tables, each table's rows and checkpoint in one commit.
//!
//! The task's state is only for people (counts); what is done is known from the tables. A sync that is opened again, after a
//! crash, a lost lease or a connection that broke, reads the last checkpoint of each table and goes on from there, so a row is
//! neither lost nor written twice.

use std::sync::{Arc, Weak};

use asgard_contract::connector::{Event, Ingestion, StreamSelection, SyncMode};
use asgard_contract::log::Level;
use asgard_contract::manifest::Role;
use asgard_contract::{Column, Error, Progress, Result};
use asgard_lakehouse::{Checkpoint, Lakehouse, StreamTarget, StreamWriter};
use asgard_tasks::{Handler, StepContext, StepOutcome, Task, TaskFilter};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::events::Events;
use super::ingestions::StreamResult;
use super::streams::{full_name, table_of};
use crate::Pipeline;
use crate::environments::Active;
use crate::roles::Bound;
use crate::stepping;

pub(crate) const KIND: &str = "sync";

pub(super) fn tasks_of(active: &Active, ingestion: &str) -> TaskFilter {
    TaskFilter::default().environment(&active.name).kind(KIND).subject(ingestion)
}

/// What the task remembers. The connector that it started with is the task's own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) streams: Vec<StreamResult>,
}

pub(super) struct SyncHandler {
    pipeline: Weak<Pipeline>,
}

impl SyncHandler {
    pub(super) fn new(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::downgrade(pipeline) }
    }
}

#[async_trait]
impl Handler for SyncHandler {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        let mut state: State = serde_json::from_value(task.state.clone()).unwrap_or_default();
        let result = match stepping::running(&self.pipeline) {
            Ok(pipeline) => run(&pipeline, task, context, &mut state).await,
            Err(error) => Err(error),
        };
        let failures: Vec<String> = state
            .streams
            .iter()
            .filter_map(|stream| stream.error.as_ref().map(|error| format!("{}: {error}", stream.name)))
            .collect();
        let stored = serde_json::to_value(&state).unwrap_or_default();
        match result {
            Ok(Ended::Done) if failures.is_empty() => StepOutcome::succeeded(stored),
            Ok(Ended::Done) => StepOutcome::failed(stored, Error::internal(failures.join("; "))),
            Ok(Ended::Interrupted) => StepOutcome::interrupted(stored),
            Err(error) => {
                for stream in state.streams.iter_mut().filter(|stream| stream.status == "running") {
                    stream.status = if error.is_retryable() { "pending" } else { "failed" }.to_owned();
                }
                StepOutcome::failed(serde_json::to_value(&state).unwrap_or_default(), error)
            }
        }
    }

    async fn cancel(&self, task: &Task, context: &StepContext) -> Result<()> {
        let pipeline = stepping::running(&self.pipeline)?;
        let active = pipeline.environments.get(&task.environment).await?;
        let ingestion = pipeline.contract_ingestion(&active, task.subject.as_deref().unwrap_or_default()).await?;
        let bound = connector(&pipeline, &active, &ingestion, task.plugin.as_deref()).await?;
        bound.plugin.connector(bound.call(&task.id, context.log()).await?).cancel(&ingestion).await
    }
}

enum Ended {
    Done,
    /// The host stops, or the task was cancelled: the connector's own side is ended by `cancel`.
    Interrupted,
}

async fn connector(
    pipeline: &Pipeline,
    active: &Arc<Active>,
    ingestion: &Ingestion,
    pin: Option<&str>,
) -> Result<Bound> {
    match pin {
        Some(pin) => pipeline.pinned(active, Role::Ingestion, pin).await,
        None => Ok(pipeline.connector(active, &ingestion.source.source_type).await?.0),
    }
}

async fn run(pipeline: &Arc<Pipeline>, task: &Task, context: &StepContext, state: &mut State) -> Result<Ended> {
    let active = pipeline.environments.get(&task.environment).await?;
    let id = task.subject.as_deref().unwrap_or_default();
    let mut ingestion = pipeline.contract_ingestion(&active, id).await?;
    let record = pipeline.ingestion_record(&active, id).await?.body;
    let sink = pipeline.sink_record(&active, &record.sink_id).await?;
    let storage = pipeline.sink_storage(&active, &sink.body).await?;
    let bound = connector(pipeline, &active, &ingestion, task.plugin.as_deref()).await?;
    if task.plugin.is_none() {
        context.started_with(&bound.pin()).await?;
    }

    let previous = std::mem::take(&mut state.streams);
    for stream in &mut ingestion.streams {
        let name = full_name(stream.namespace.as_deref(), &stream.name);
        let stored = active.lakehouse.checkpoint(&table_of(stream), &record.owner(id, stream)).await?;
        let mut result = StreamResult { name, status: "pending".to_owned(), ..StreamResult::default() };
        if let Some(stored) = stored {
            let own = stored.sync_id == task.id;
            if own {
                let before = previous.iter().find(|other| other.name == result.name);
                result.records = stored.records;
                result.bytes = before.map_or(0, |before| before.bytes);
                result.status = if stored.complete { "succeeded" } else { "running" }.to_owned();
            }
            stream.checkpoint = goes_on_from(&stored, stream.sync_mode, &task.id).map(<[u8]>::to_vec);
        }
        state.streams.push(result);
    }

    let connector = bound.plugin.connector(bound.call(&task.id, context.log()).await?);
    let streams = ingestion.streams.clone();
    let mut events = Events::open(&connector, ingestion, active.document.limits.parallel_streams).await?;
    let mut writers = Writers {
        lakehouse: &active.lakehouse,
        location: storage,
        owners: streams.iter().map(|stream| record.owner(id, stream)).collect(),
        streams,
        sync_id: &task.id,
        open: Vec::new(),
    };
    writers.open.resize_with(writers.streams.len(), || None);
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            () = context.cancelled() => return Ok(Ended::Interrupted),
        };
        match event {
            Event::Rows(rows) => {
                let index = position(state, rows.stream)?;
                let staged = of_stream(state, index, async { writers.of(index).await?.stage(rows).await }.await)?;
                let result = &mut state.streams[index];
                result.status = "running".to_owned();
                result.records += staged.records;
                result.bytes += staged.bytes;
                context.progress(progress(state, index));
            }
            Event::Truncated { stream } => {
                let index = position(state, stream)?;
                of_stream(state, index, async { writers.of(index).await?.truncate() }.await)?;
            }
            Event::Evolved { stream, columns } => {
                let index = position(state, stream)?;
                let evolution = evolution(&state.streams[index].name, &writers.streams[index], &columns);
                context.log().log(Level::Info, &evolution);
                of_stream(state, index, writers.evolve(index, columns).await)?;
                pipeline.keep_columns(&active, id, &writers.streams[index]).await?;
            }
            Event::Checkpoint { stream: Some(stream), state: checkpoint, complete } => {
                let index = position(state, stream)?;
                of_stream(state, index, async { writers.of(index).await?.commit(checkpoint, complete).await }.await)?;
                if complete {
                    state.streams[index].status = "succeeded".to_owned();
                    writers.close(index);
                }
                context.save(serde_json::to_value(&*state).unwrap_or_default()).await?;
            }
            Event::Checkpoint { stream: None, state: checkpoint, complete } => {
                for index in 0..state.streams.len() {
                    let checkpoint = checkpoint.clone();
                    of_stream(
                        state,
                        index,
                        async { writers.of(index).await?.commit(checkpoint, complete).await }.await,
                    )?;
                    if complete {
                        state.streams[index].status = "succeeded".to_owned();
                    }
                }
                context.save(serde_json::to_value(&*state).unwrap_or_default()).await?;
            }
            Event::Moved { stream, records, bytes } => {
                let index = position(state, stream)?;
                let result = &mut state.streams[index];
                (result.records, result.bytes) = (records, bytes);
                result.status = "running".to_owned();
                context.progress(progress(state, index));
            }
            Event::Progress(progress) => context.progress(progress),
            // What they ask for has been done.
            Event::Waiting(_) | Event::Divided(_) => {}
            Event::StreamFailed { stream, error } => {
                let index = position(state, stream)?;
                writers.close(index);
                let result = &mut state.streams[index];
                result.status = "failed".to_owned();
                result.error = Some(error.to_string());
            }
            Event::Done => {
                for stream in state.streams.iter_mut().filter(|stream| stream.error.is_none()) {
                    stream.status = "succeeded".to_owned();
                }
                return Ok(Ended::Done);
            }
        }
    }
}

/// What a stream's table says, under the stream's name. It ends the sync: the connector may have been told already that what came
/// before is kept.
fn of_stream<T>(state: &mut State, index: usize, result: Result<T>) -> Result<T> {
    result.map_err(|error| {
        let stream = &mut state.streams[index];
        if !error.is_retryable() {
            stream.status = "failed".to_owned();
            stream.error = Some(error.to_string());
        }
        error.about(&stream.name)
    })
}

/// What is new about the columns, for the log.
fn evolution(name: &str, before: &StreamSelection, now: &[Column]) -> String {
    let change = |column: &Column| {
        let old = before.columns.iter().find(|old| old.name == column.name);
        match old {
            None => Some(format!("column `{}` ({}) is new", column.name, column.data_type)),
            Some(old) if old.data_type != column.data_type => {
                Some(format!("column `{}` is {} and was {}", column.name, column.data_type, old.data_type))
            }
            Some(old) if old.nullable != column.nullable => Some(format!("column `{}` may be null now", column.name)),
            Some(_) => None,
        }
    };
    format!("{name}: {}", now.iter().filter_map(change).collect::<Vec<_>>().join(", "))
}

fn position(state: &State, stream: u32) -> Result<usize> {
    let index = stream as usize;
    if index < state.streams.len() {
        return Ok(index);
    }
    Err(Error::internal(format!("the connector spoke of stream {index}, and the sync has {}", state.streams.len())))
}

fn progress(state: &State, index: usize) -> Progress {
    let stream = &state.streams[index];
    let done = state.streams.iter().filter(|stream| stream.status == "succeeded").count();
    Progress {
        message: format!("{}: {} records", stream.name, stream.records),
        fraction: Some(done as f64 / state.streams.len() as f64),
    }
}

/// Where a stream goes on. A full refresh starts over with each sync; within one it goes on from its last checkpoint.
fn goes_on_from<'a>(stored: &'a Checkpoint, mode: SyncMode, sync_id: &str) -> Option<&'a [u8]> {
    (stored.sync_id == sync_id || !mode.is_full_refresh()).then_some(stored.state.as_slice())
}

/// The writers of the streams that have had rows so far.
struct Writers<'a> {
    lakehouse: &'a Arc<Lakehouse>,
    location: asgard_lakehouse::storage::Storage,
    streams: Vec<StreamSelection>,
    owners: Vec<String>,
    sync_id: &'a str,
    open: Vec<Option<StreamWriter>>,
}

impl Writers<'_> {
    async fn of(&mut self, index: usize) -> Result<&mut StreamWriter> {
        if self.open[index].is_none() {
            let stream = &self.streams[index];
            let target = StreamTarget {
                table: table_of(stream),
                location: self.location.clone(),
                columns: stream.columns.clone(),
                mode: stream.sync_mode,
                primary_key: stream.primary_key.clone(),
                sync_id: self.sync_id.to_owned(),
                ingestion_id: self.owners[index].clone(),
            };
            let writer = self.lakehouse.stream_writer(target).await?;
            let found = writer.found().and_then(|found| goes_on_from(found, stream.sync_mode, self.sync_id));
            if found != stream.checkpoint.as_deref() {
                // Rows that are in the table already would be added again.
                return Err(Error::unavailable(format!(
                    "`{}` got rows from whoever had this sync before: it goes on from there",
                    table_of(stream)
                )));
            }
            self.open[index] = Some(writer);
        }
        self.open[index].as_mut().ok_or_else(|| Error::internal("the writer is gone"))
    }

    /// The stream's columns from here on; a table that is open gets them now.
    async fn evolve(&mut self, index: usize, columns: Vec<Column>) -> Result<()> {
        self.streams[index].columns.clone_from(&columns);
        match &mut self.open[index] {
            Some(writer) => writer.evolve(columns).await,
            None => Ok(()),
        }
    }

    fn close(&mut self, index: usize) {
        self.open[index] = None;
    }
}
