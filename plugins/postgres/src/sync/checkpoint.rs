//! What a stream remembers.

use asgard_sdk::Result;
use serde::{Deserialize, Serialize};

use super::source::Source;
use crate::replication::Lsn;
use crate::types::Oid;

/// The state of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The task that has read the whole stream.
    task: String,
    /// How far an incremental stream came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
    /// How far the changes of a captured stream came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<LogPosition>,
    /// What its table was, of a stream that goes on from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
}

/// The largest value of the cursor column in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) column: String,
    /// As PostgreSQL writes it.
    pub(super) value: String,
    /// Digests of the primary keys of rows that were read and that the next condition finds again: those with this value, with
    /// none, or with infinity. For streams that append.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) seen: Vec<String>,
}

/// A place in the log of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogPosition {
    /// Transactions that committed before are in the table; those from here on are not.
    pub(super) lsn: Lsn,
    /// The server's own identifier: positions of another one mean nothing.
    pub(super) system: u64,
    /// The table that the changes are of: one of the same name that is made later is another one.
    pub(super) table: Oid,
}

impl State {
    pub(super) fn complete(task: &str, cursor: Option<&Cursor>, source: Option<&Source>) -> Self {
        Self { task: task.to_owned(), cursor: cursor.cloned(), log: None, source: source.cloned() }
    }

    /// Of a captured stream.
    pub(super) fn at(log: LogPosition, source: Option<&Source>) -> Self {
        Self { log: Some(log), source: source.cloned(), ..Self::default() }
    }

    /// A state of another connector's making is none: the stream is read from its beginning.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(super) fn write(&self) -> Result<Vec<u8>> {
        asgard_sdk::encode(self)
    }

    pub(super) fn is_of(&self, task: &str) -> bool {
        self.task == task
    }

    /// How far the stream came by this column.
    pub(super) fn cursor(&self, column: &str) -> Option<&Cursor> {
        self.cursor.as_ref().filter(|cursor| cursor.column == column)
    }

    /// What its table was; not known of checkpoints that were written before this was kept.
    pub(super) fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// How far its changes came.
    pub(super) fn log(&self) -> Option<LogPosition> {
        self.log
    }
}
