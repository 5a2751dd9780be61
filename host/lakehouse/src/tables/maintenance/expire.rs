//! Forgetting snapshots.
//!
//! Never forgotten: the current snapshot, those that a branch or a tag is at, the last few of every branch, and those of the
//! last hour. The files that only forgotten snapshots had are noted in a list beside the table's metadata; the table's
//! property names the list and the time, so list and snapshots change in one commit. A later run deletes them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use asgard_contract::{Error, Result, TableName};
use async_trait::async_trait;
use chrono::Utc;
use iceberg::io::FileIO;
use iceberg::spec::{TableMetadata, TableMetadataBuilder};
use serde::{Deserialize, Serialize};

use super::{SNAPSHOTS_KEPT_FOR, check_collected_here, is_collected_here, references};
use crate::error;
use crate::tables::commit::{Next, Transaction, check_writable};
use crate::tables::undo::{Uncommitted, delete};
use crate::tables::write::changed;
use crate::tables::{Current, Inner, Tables, manifests};

/// Lists of files that expired snapshots left.
pub(super) const LEFT: &str = "asgard.maintenance.left";

/// Which snapshots are forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Expiry {
    pub older_than: Duration,
    /// Of every branch, at least one.
    pub retain_last: u32,
    /// How long a statement may run: files that it may be reading stay for so long.
    pub readers: Duration,
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    pub snapshots: u64,
    /// That were deleted now: left by earlier runs.
    pub files_deleted: u64,
    /// That a later run deletes.
    pub files_left: u64,
}

/// A list of files, and when the snapshots were forgotten that had them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Left {
    /// Milliseconds since 1970.
    pub(super) at: i64,
    /// Where the list is: JSON, an array of locations.
    pub(super) list: String,
}

impl Tables {
    /// Deletes what earlier runs left, and forgets snapshots.
    ///
    /// # Errors
    /// `not-found`; `unsupported` for a table whose catalog does this itself; those of catalog and storage.
    pub(crate) async fn expire(&self, table: &TableName, expiry: &Expiry) -> Result<Expired> {
        self.expire_keeping(table, expiry, SNAPSHOTS_KEPT_FOR).await
    }

    pub(super) async fn expire_keeping(&self, table: &TableName, expiry: &Expiry, kept: Duration) -> Result<Expired> {
        let state = self.table_state(table).await?;
        check_writable(table, &state.metadata)?;
        check_collected_here(table, &state.metadata)?;
        let mut expired =
            Expired { files_deleted: self.delete_left(table, expiry.readers).await?, ..Expired::default() };
        let mut forgetting = Forgetting::new(expiry, kept);
        self.inner.commit(table, &mut forgetting, &[]).await?;
        (expired.snapshots, expired.files_left) = (forgetting.snapshots, forgetting.left);
        Ok(expired)
    }

    /// Deletes files of lists that are older than any statement can be.
    async fn delete_left(&self, table: &TableName, readers: Duration) -> Result<u64> {
        let state = self.table_state(table).await?;
        let before = Utc::now().timestamp_millis() - i64::try_from(readers.as_millis()).unwrap_or(i64::MAX);
        let due: Vec<Left> = left(&state.metadata)?.into_iter().filter(|left| left.at <= before).collect();
        if due.is_empty() {
            return Ok(0);
        }
        let needed = manifests::reachable(&self.inner.io, &state.metadata).await?;
        let mut deleted = 0;
        for due in &due {
            for location in read_list(&self.inner.io, &due.list).await? {
                // A snapshot that was brought back, by whomever, has its files still.
                if !needed.contains(&location) {
                    delete(&self.inner.io, &location);
                    deleted += 1;
                }
            }
        }
        let mut settled = Settled { due: &due };
        self.inner.commit(table, &mut settled, &[]).await?;
        due.iter().for_each(|due| delete(&self.inner.io, &due.list));
        Ok(deleted)
    }
}

/// Whether there are snapshots to forget, or files to delete that were left.
pub(super) fn is_due(metadata: &TableMetadata, expiry: &Expiry, kept: Duration) -> Result<bool> {
    if !is_collected_here(metadata) {
        return Ok(false);
    }
    let forgetting = Forgetting::new(expiry, kept);
    let kept = forgetting.kept(metadata)?;
    let before = Utc::now().timestamp_millis() - i64::try_from(expiry.readers.as_millis()).unwrap_or(i64::MAX);
    let snapshots = metadata.snapshots().any(|snapshot| !kept.contains(&snapshot.snapshot_id()));
    Ok(snapshots || left(metadata)?.iter().any(|left| left.at <= before))
}

/// The lists of a table.
pub(super) fn left(metadata: &TableMetadata) -> Result<Vec<Left>> {
    let Some(text) = metadata.properties().get(LEFT) else { return Ok(Vec::new()) };
    serde_json::from_str(text)
        .map_err(|error| Error::internal(format!("the table's property `{LEFT}` cannot be read: {error}")))
}

pub(super) async fn read_list(io: &FileIO, location: &str) -> Result<Vec<String>> {
    let what = || error::iceberg(format!("reading `{location}`"));
    let input = io.new_input(location).map_err(what())?;
    // Deleted by a run that was ended before it could say so.
    if !input.exists().await.map_err(what())? {
        return Ok(Vec::new());
    }
    let bytes = input.read().await.map_err(what())?;
    serde_json::from_slice(&bytes).map_err(|error| Error::internal(format!("`{location}` cannot be read: {error}")))
}

fn with_left(builder: TableMetadataBuilder, left: &[Left]) -> Result<TableMetadataBuilder> {
    let builder = if left.is_empty() {
        builder.remove_properties(&[LEFT.to_owned()])
    } else {
        let text = serde_json::to_string(left).map_err(|error| Error::internal(error.to_string()))?;
        builder.set_properties(HashMap::from([(LEFT.to_owned(), text)]))
    };
    builder.map_err(failed())
}

/// Takes lists out that are done with.
struct Settled<'a> {
    due: &'a [Left],
}

#[async_trait]
impl Transaction for Settled<'_> {
    async fn next(&mut self, _: &Inner, current: Option<&Current>, _: &Uncommitted) -> Result<Next> {
        let Some(state) = current.and_then(Current::table) else { return Ok(Next::Nothing) };
        let rest: Vec<Left> = left(&state.metadata)?.into_iter().filter(|left| !self.due.contains(left)).collect();
        let built = with_left(changed(state)?, &rest)?.build().map_err(failed())?;
        Ok(Next::Commit(Box::new(built)))
    }
}

struct Forgetting {
    older_than: Duration,
    retain_last: u32,
    snapshots: u64,
    left: u64,
}

#[async_trait]
impl Transaction for Forgetting {
    async fn next(&mut self, tables: &Inner, current: Option<&Current>, undo: &Uncommitted) -> Result<Next> {
        (self.snapshots, self.left) = (0, 0);
        let Some(state) = current.and_then(Current::table) else { return Ok(Next::Nothing) };
        let metadata = &state.metadata;
        let kept = self.kept(metadata)?;
        let gone: Vec<i64> =
            metadata.snapshots().map(|snapshot| snapshot.snapshot_id()).filter(|id| !kept.contains(id)).collect();
        if gone.is_empty() {
            return Ok(Next::Nothing);
        }
        let mut builder = changed(state)?;
        for id in &gone {
            builder = builder.remove_statistics(*id).remove_partition_statistics(*id);
        }
        let builder = builder.remove_snapshots(&gone);
        let after = builder.clone().build().map_err(failed())?.metadata;
        let needed = manifests::reachable(&tables.io, &after).await?;
        let mut files: Vec<String> =
            manifests::reachable(&tables.io, metadata).await?.difference(&needed).cloned().collect();
        files.sort_unstable();

        let list = format!("{}/metadata/left-{}.json", metadata.location(), uuid::Uuid::now_v7().simple());
        undo.add(&tables.io, list.clone());
        let text = serde_json::to_vec(&files).map_err(|error| Error::internal(error.to_string()))?;
        let output = tables.io.new_output(&list).map_err(failed())?;
        output.write(text.into()).await.map_err(failed())?;
        let mut lists = left(metadata)?;
        lists.push(Left { at: Utc::now().timestamp_millis(), list });
        (self.snapshots, self.left) = (gone.len() as u64, files.len() as u64);
        let built = with_left(builder, &lists)?.build().map_err(failed())?;
        Ok(Next::Commit(Box::new(built)))
    }
}

impl Forgetting {
    fn new(expiry: &Expiry, kept: Duration) -> Self {
        let older_than = expiry.older_than.max(kept);
        Self { older_than, retain_last: expiry.retain_last.max(1), snapshots: 0, left: 0 }
    }

    /// Snapshots that stay.
    fn kept(&self, metadata: &TableMetadata) -> Result<HashSet<i64>> {
        let age = i64::try_from(self.older_than.as_millis()).unwrap_or(i64::MAX);
        let before = Utc::now().timestamp_millis().saturating_sub(age);
        let mut kept: HashSet<i64> = metadata
            .snapshots()
            .filter(|snapshot| snapshot.timestamp_ms() >= before)
            .map(|snapshot| snapshot.snapshot_id())
            .collect();
        let named = references(metadata)?.into_values().chain(metadata.current_snapshot_id());
        for head in named {
            let mut at = metadata.snapshot_by_id(head).map(AsRef::as_ref);
            for _ in 0..self.retain_last {
                let Some(snapshot) = at else { break };
                kept.insert(snapshot.snapshot_id());
                let parent = snapshot.parent_snapshot_id();
                at = parent.and_then(|id| metadata.snapshot_by_id(id)).map(AsRef::as_ref);
            }
        }
        Ok(kept)
    }
}

fn failed() -> impl FnOnce(iceberg::Error) -> Error {
    error::iceberg("expiring snapshots")
}
