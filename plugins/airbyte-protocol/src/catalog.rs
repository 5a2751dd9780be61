//! A connector's catalog, and the catalog that a read is configured with.

use asgard_airbyte::shape::Shape;
use asgard_airbyte::stream::Stream;
use asgard_sdk::connector::{StreamSelection, SyncMode};
use asgard_sdk::{Column, Error, Result};
use serde::Serialize;
use serde_json::value::RawValue;

/// What databases' change streams say of a row that is gone.
pub const DELETED_AT: &str = "_ab_cdc_deleted_at";

/// A stream as the connector told it.
#[derive(Debug, Clone)]
pub struct Discovered {
    pub stream: Stream,
    /// It goes back to the connector as it came.
    raw: Box<RawValue>,
}

impl Discovered {
    /// Reads a stream of a catalog.
    ///
    /// # Errors
    /// `internal` for what is no stream.
    pub fn read(raw: Box<RawValue>) -> Result<Self> {
        let stream = serde_json::from_str(raw.get()).map_err(|error| {
            Error::internal(format!("the connector's catalog has a stream that cannot be read: {error}"))
        })?;
        Ok(Self { stream, raw })
    }

    /// Whether it is the stream that a selection means.
    pub fn is(&self, selection: &StreamSelection) -> bool {
        self.stream.name == selection.name && self.stream.namespace() == selection.namespace.as_deref()
    }

    /// Its columns with their types.
    pub fn columns(&self) -> Vec<(Column, Shape)> {
        self.stream.columns()
    }
}

#[derive(Serialize)]
struct ConfiguredCatalog<'a> {
    streams: Vec<ConfiguredStream<'a>>,
}

#[derive(Serialize)]
struct ConfiguredStream<'a> {
    stream: &'a RawValue,
    sync_mode: &'static str,
    destination_sync_mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cursor_field: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    primary_key: Vec<[&'a str; 1]>,
    // Required of sources that take part in refreshes; ours begin anew by having no state.
    generation_id: u64,
    minimum_generation_id: u64,
    sync_id: u64,
}

/// The catalog that a read is configured with.
///
/// # Errors
/// `internal` when it has no JSON form.
pub fn configured(streams: &[(&StreamSelection, &Discovered)]) -> Result<Vec<u8>> {
    let streams = streams.iter().map(|(selection, discovered)| configured_stream(selection, discovered)).collect();
    serde_json::to_vec(&ConfiguredCatalog { streams }).map_err(Error::internal)
}

fn configured_stream<'a>(selection: &'a StreamSelection, discovered: &'a Discovered) -> ConfiguredStream<'a> {
    let incremental = is_incremental(selection.sync_mode) || !discovered.stream.has_full_refresh();
    let default_cursor = discovered.stream.default_cursor_field.as_deref().unwrap_or_default();
    ConfiguredStream {
        stream: &discovered.raw,
        sync_mode: if incremental { "incremental" } else { "full_refresh" },
        destination_sync_mode: match selection.sync_mode {
            SyncMode::FullRefreshOverwrite => "overwrite",
            SyncMode::FullRefreshAppend | SyncMode::IncrementalAppend => "append",
            SyncMode::IncrementalMerge | SyncMode::ChangeDataCapture => "append_dedup",
        },
        cursor_field: match &selection.cursor {
            Some(cursor) => vec![cursor],
            None => default_cursor.iter().map(String::as_str).collect(),
        },
        primary_key: selection.primary_key.iter().map(|name| [name.as_str()]).collect(),
        generation_id: 0,
        minimum_generation_id: 0,
        sync_id: 0,
    }
}

/// Whether a sync goes on from the one before.
pub fn is_incremental(mode: SyncMode) -> bool {
    matches!(mode, SyncMode::IncrementalAppend | SyncMode::IncrementalMerge | SyncMode::ChangeDataCapture)
}
