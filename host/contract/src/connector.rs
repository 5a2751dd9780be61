//! Interface `connector`: where rows come from. Mirrors `wit/connector`.

use serde::{Deserialize, Serialize};

use crate::{Column, Error, Progress};

/// A type of source that a connector serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceType {
    /// As in the API's `type`.
    pub name: String,
    pub title: String,
    /// JSON Schema of the configuration; `writeOnly` properties are secrets.
    pub schema: serde_json::Value,
}

/// A source as a connector sees it: secrets are references.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub id: String,
    pub name: String,
    pub source_type: String,
    pub configuration: serde_json::Value,
    /// What `provision` gave.
    pub handle: Option<Vec<u8>>,
}

/// Where an ingestion's tables are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sink {
    pub id: String,
    pub name: String,
    pub sink_type: String,
    pub configuration: serde_json::Value,
    pub handle: Option<Vec<u8>>,
}

/// How a stream is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncMode {
    FullRefreshOverwrite,
    FullRefreshAppend,
    IncrementalAppend,
    IncrementalMerge,
    ChangeDataCapture,
}

impl SyncMode {
    /// As requests write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FullRefreshOverwrite => "full_refresh_overwrite",
            Self::FullRefreshAppend => "full_refresh_append",
            Self::IncrementalAppend => "incremental_append",
            Self::IncrementalMerge => "incremental_merge",
            Self::ChangeDataCapture => "change_data_capture",
        }
    }

    /// Each sync brings everything.
    pub fn is_full_refresh(self) -> bool {
        matches!(self, Self::FullRefreshOverwrite | Self::FullRefreshAppend)
    }

    /// Each sync brings what a cursor shows to be new.
    pub fn is_incremental(self) -> bool {
        matches!(self, Self::IncrementalAppend | Self::IncrementalMerge)
    }

    /// Rows take the place of those with the same key.
    pub fn merges(self) -> bool {
        matches!(self, Self::IncrementalMerge | Self::ChangeDataCapture)
    }
}

/// A stream as the source has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamDescriptor {
    pub namespace: Option<String>,
    pub name: String,
    pub columns: Vec<Column>,
    pub primary_key: Vec<String>,
    pub sync_modes: Vec<SyncMode>,
    pub cursor_columns: Vec<String>,
    pub estimated_rows: Option<u64>,
    /// Why it cannot be synced, if it cannot.
    pub unsupported: Option<String>,
}

/// A stream as an ingestion wants it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamSelection {
    pub namespace: Option<String>,
    pub name: String,
    pub sync_mode: SyncMode,
    pub cursor: Option<String>,
    pub primary_key: Vec<String>,
    pub columns: Vec<Column>,
    /// Name of the bronze table, without its namespace.
    pub table: String,
    pub checkpoint: Option<Vec<u8>>,
}

/// An ingestion as a connector sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ingestion {
    pub id: String,
    pub name: String,
    pub source: Source,
    pub sink: Sink,
    pub streams: Vec<StreamSelection>,
    pub handle: Option<Vec<u8>>,
    /// How often it was reset.
    #[serde(default)]
    pub resets: u32,
    /// As a sync: how many [`Part`]s the host would read beside it.
    #[serde(default)]
    pub parts: u32,
    /// As a part: its moment.
    #[serde(default)]
    pub moment: Option<Vec<u8>>,
}

/// What `provision` and `retire` are about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "one a call, never many")]
pub enum ResourceDefinition {
    Source(Source),
    Sink(Sink),
    Ingestion(Ingestion),
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Insert,
    Update,
    Delete,
}

/// Rows in one of the two forms.
#[derive(Debug, Clone, PartialEq)]
pub enum RowData {
    /// A whole Arrow IPC stream.
    ArrowIpc(Vec<u8>),
    /// One JSON object a line, read by the stream's columns.
    JsonLines(Vec<u8>),
}

/// Rows of one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Index into the sync's streams.
    pub stream: u32,
    pub data: RowData,
    /// One per row; empty = all inserts.
    pub changes: Vec<Change>,
    /// Columns that `data` lacks: each row keeps what it had.
    pub kept: Vec<String>,
    /// The primary keys before the changes, one row for each; none = no key changed.
    pub previous_keys: Option<RowData>,
}

impl Rows {
    /// Rows that are all inserts.
    pub fn inserts(stream: u32, data: RowData) -> Self {
        Self { stream, data, changes: Vec::new(), kept: Vec::new(), previous_keys: None }
    }
}

/// Streams that another instance may read at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Indices into the streams of the sync.
    pub streams: Vec<u32>,
    /// Opaque: how the other instance sees the source as it was at the same moment.
    pub moment: Vec<u8>,
}

/// What an event of a sync says.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Instances of their own are to read these streams.
    Divided(Vec<Part>),
    Rows(Rows),
    /// The stream lost all of its rows, staged ones included.
    Truncated {
        stream: u32,
    },
    /// The stream has these columns from here on.
    Evolved {
        stream: u32,
        columns: Vec<Column>,
    },
    /// Commit what was staged for `stream` (none: for all) together with `state`; `complete` = its end.
    Checkpoint {
        stream: Option<u32>,
        state: Vec<u8>,
        complete: bool,
    },
    /// Totals that the backend moved by itself.
    Moved {
        stream: u32,
        records: u64,
        bytes: u64,
    },
    Progress(Progress),
    /// Ask again after so many milliseconds.
    Waiting(u32),
    StreamFailed {
        stream: u32,
        error: Error,
    },
    Done,
}
