//! Keeping tables quick to read and no larger than they have to be.
//!
//! - [`compact`]: many small files become few of the size that the table wants, and rows that are marked as deleted go.
//! - [`expire`]: snapshots that nobody needs any more are forgotten.
//! - [`orphans`]: files that no snapshot has are deleted.
//!
//! # Who may still read
//! A statement reads the snapshot that it began with, for as long as `limits.query_seconds`. So a file that a snapshot loses by
//! expiry is not deleted with it: it is noted in the table's own metadata, in the same commit, and deleted by a later run when
//! no statement of then can be running any more. Nothing is lost by a crash in between.

mod compact;
mod expire;
mod orphans;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use asgard_contract::{Error, Result, TableName};
use iceberg::spec::TableMetadata;

pub use compact::{Compacted, FEWEST_FILES};
pub use expire::{Expired, Expiry};
pub use orphans::{OrphanSearch, Orphans};

use super::{Current, TableState, Tables};

/// Kept whatever is asked for: a task that is taken up again after a crash finds in its snapshot what it did already.
const SNAPSHOTS_KEPT_FOR: Duration = Duration::from_secs(3600);

/// What a table's policy would do to it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub compaction: bool,
    pub expiry: bool,
}

impl Tables {
    /// Looks whether there is anything to do, by the table's metadata alone.
    ///
    /// # Errors
    /// `not-found`, and those of catalog and storage.
    pub(crate) async fn maintenance_due(&self, table: &TableName, expiry: &Expiry) -> Result<Due> {
        let state = self.table_state(table).await?;
        Ok(Due {
            compaction: self.wants_compaction(table).await?,
            expiry: expire::is_due(&state.metadata, expiry, SNAPSHOTS_KEPT_FOR)?,
        })
    }

    /// Whether there is something to maintain at all.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for a view.
    pub(crate) async fn check_maintained(&self, table: &TableName) -> Result<()> {
        self.table_state(table).await.map(drop)
    }

    async fn table_state(&self, table: &TableName) -> Result<TableState> {
        match self.inner.current(table).await? {
            Some(Current::Table(state)) => Ok(state),
            Some(Current::View(_)) => Err(Error::invalid(
                "name",
                format!("`{table}` is a view: there is nothing to maintain, the tables that it reads have files"),
            )),
            None => Err(self.not_found(table).await?),
        }
    }
}

/// Iceberg's property by which a catalog says that files of a table may be shared with what the table does not show: Nessie
/// sets it, whose branches and history do.
const COLLECTED_HERE: &str = "gc.enabled";

fn is_collected_here(metadata: &TableMetadata) -> bool {
    metadata.properties().get(COLLECTED_HERE).is_none_or(|value| !value.eq_ignore_ascii_case("false"))
}

fn check_collected_here(table: &TableName, metadata: &TableMetadata) -> Result<()> {
    if is_collected_here(metadata) {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "`{table}` has the property `{COLLECTED_HERE}=false`: its catalog alone knows which snapshots and files are needed, and removes the rest itself"
    )))
}

/// Deletes what expired snapshots of a table left: the table is dropped, and nobody reads it any more.
pub(super) async fn delete_all_left(io: &iceberg::io::FileIO, metadata: &TableMetadata) -> Result<()> {
    for left in expire::left(metadata)? {
        for location in expire::read_list(io, &left.list).await? {
            super::undo::delete(io, &location);
        }
        super::undo::delete(io, &left.list);
    }
    Ok(())
}

/// Branches and tags, and the snapshot that each is at.
pub(crate) fn references(metadata: &TableMetadata) -> Result<HashMap<String, i64>> {
    // The crate does not list them, and its metadata's own JSON does.
    let json = serde_json::to_value(metadata).map_err(|error| Error::internal(error.to_string()))?;
    let refs = json.get("refs").and_then(serde_json::Value::as_object);
    let at = |reference: &serde_json::Value| reference.get("snapshot-id").and_then(serde_json::Value::as_i64);
    Ok(refs.into_iter().flatten().filter_map(|(name, reference)| Some((name.clone(), at(reference)?))).collect())
}
