//! Rows of a sync: staged as they come, committed together with the sync's checkpoint.

use asgard_contract::connector::{Rows, SyncMode};
use asgard_contract::{Column, Error, Result, TableName};

use crate::storage::Storage;
use crate::tables::Tables;

/// One stream of a sync and the table it goes to.
#[derive(Debug, Clone)]
pub struct StreamTarget {
    pub table: TableName,
    /// Where the table is made if it is not there yet: below this storage, in `namespace/name`.
    pub location: Storage,
    pub columns: Vec<Column>,
    pub mode: SyncMode,
    /// For the modes that merge.
    pub primary_key: Vec<String>,
    pub sync_id: String,
    /// Whose checkpoint it is: the ingestion and its generation. A checkpoint of another owner does not count.
    pub ingestion_id: String,
}

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

/// What one batch of rows came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Staged {
    pub records: u64,
    /// As they were handed over.
    pub bytes: u64,
}

/// Writes one stream's rows.
pub struct StreamWriter {}

impl StreamWriter {
    pub(crate) async fn open(_tables: Tables, _target: StreamTarget) -> Result<Self> {
        Err(Error::internal("unfinished"))
    }

    /// Writes rows to files that no reader sees yet.
    pub async fn stage(&mut self, _rows: Rows) -> Result<Staged> {
        Err(Error::internal("unfinished"))
    }

    /// Commits what was staged together with the connector's state; `complete` = the stream's end.
    pub async fn commit(&mut self, _state: Vec<u8>, _complete: bool) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
}

pub(crate) async fn checkpoint(_tables: &Tables, _table: &TableName, _owner: &str) -> Result<Option<Checkpoint>> {
    Err(Error::internal("unfinished"))
}
