//! What a stream remembers.

use asgard_sdk::Result;
use serde::{Deserialize, Serialize};

/// The state of a checkpoint. Only whole streams have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The task that has read the stream.
    task: String,
    /// How far an incremental stream came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
}

/// The largest value of the cursor column in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) column: String,
    /// As PostgreSQL writes it.
    pub(super) value: String,
}

impl State {
    pub(super) fn complete(task: &str, cursor: Option<&Cursor>) -> Self {
        Self { task: task.to_owned(), cursor: cursor.cloned() }
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
}
