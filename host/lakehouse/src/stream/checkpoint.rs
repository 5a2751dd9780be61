//! What a sync leaves in its table's properties.
//!
//! A commit changes snapshot and properties in one piece of metadata, so rows and checkpoint are there together or not at all.
//!
//! - the checkpoint: the connector's state, whose it is, and how far it is;
//! - the writer: who may commit. Opening a table for a sync puts a new name there, so a host that was presumed dead and goes on
//!   finds out at its next commit;
//! - staged manifests: the files of an overwrite that has not come to its end. They are no part of any snapshot yet, and are
//!   listed here so that a crash loses none of them.

use std::collections::HashMap;

use asgard_contract::{Error, Result, TableName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iceberg::spec::TableMetadata;
use serde::{Deserialize, Serialize};

use crate::tables::parts::{SYNC_CHECKPOINT as CHECKPOINT, SYNC_WRITER as WRITER};
use crate::tables::{Current, Tables};

pub(super) const STAGED: &str = "asgard.checkpoint.staged";

/// How far a sync has come in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The connector's own.
    pub state: Vec<u8>,
    pub sync_id: String,
    /// Rows that this sync has committed to the table, staged ones included.
    pub records: u64,
    /// Whether the stream has come to its end in this sync.
    pub complete: bool,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    owner: String,
    sync: String,
    records: u64,
    complete: bool,
    /// Base64.
    state: String,
}

/// Files of an overwrite under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StagedFiles {
    pub(super) sync: String,
    /// Locations, in order.
    pub(super) manifests: Vec<String>,
}

/// The last checkpoint that `owner` committed to the table.
pub(crate) async fn checkpoint(tables: &Tables, table: &TableName, owner: &str) -> Result<Option<Checkpoint>> {
    match tables.inner.current(table).await? {
        Some(Current::Table(state)) => read(&state.metadata, owner),
        _ => Ok(None),
    }
}

pub(super) fn read(metadata: &TableMetadata, owner: &str) -> Result<Option<Checkpoint>> {
    let Some(stored) = property::<Stored>(metadata, CHECKPOINT)? else { return Ok(None) };
    if stored.owner != owner {
        return Ok(None);
    }
    let state = STANDARD.decode(&stored.state).map_err(|error| unreadable(CHECKPOINT, &error))?;
    Ok(Some(Checkpoint { state, sync_id: stored.sync, records: stored.records, complete: stored.complete }))
}

/// Whether a property's text is a checkpoint that a host wrote.
pub(crate) fn is_checkpoint(text: &str) -> bool {
    serde_json::from_str::<Stored>(text).is_ok()
}

/// Whether the table's checkpoint is of an ingestion, in any of its generations.
pub(super) fn is_of(metadata: &TableMetadata, ingestion: &str) -> Result<bool> {
    let stored = property::<Stored>(metadata, CHECKPOINT)?;
    Ok(stored.is_some_and(|stored| stored.owner.strip_prefix(ingestion).is_some_and(|rest| rest.starts_with('/'))))
}

/// The property that holds a checkpoint.
pub(super) fn written(owner: &str, checkpoint: &Checkpoint) -> Result<HashMap<String, String>> {
    let stored = Stored {
        owner: owner.to_owned(),
        sync: checkpoint.sync_id.clone(),
        records: checkpoint.records,
        complete: checkpoint.complete,
        state: STANDARD.encode(&checkpoint.state),
    };
    Ok(HashMap::from([(CHECKPOINT.to_owned(), text(&stored)?)]))
}

pub(super) fn writer(name: &str) -> HashMap<String, String> {
    HashMap::from([(WRITER.to_owned(), name.to_owned())])
}

pub(super) fn is_writer(metadata: &TableMetadata, name: &str) -> bool {
    metadata.properties().get(WRITER).is_some_and(|writer| writer == name)
}

/// For a writer that lost its table.
pub(super) fn taken_over(table: &TableName) -> Error {
    Error::conflict(format!("the sync of `{table}` is carried on by another host"))
}

pub(super) fn staged(metadata: &TableMetadata) -> Result<Option<StagedFiles>> {
    property(metadata, STAGED)
}

pub(super) fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal(error.to_string()))
}

fn property<T: serde::de::DeserializeOwned>(metadata: &TableMetadata, name: &str) -> Result<Option<T>> {
    let text = metadata.properties().get(name);
    text.map(|text| serde_json::from_str(text).map_err(|error| unreadable(name, &error))).transpose()
}

fn unreadable(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::internal(format!("the table's property `{name}` cannot be read: {error}"))
}
