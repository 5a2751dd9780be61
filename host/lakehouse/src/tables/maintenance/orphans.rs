//! Files in a table's folder that belong to none of its snapshots: left by writers that were killed, or by other programs.
//!
//! A file that is being written belongs to no snapshot yet. Only age tells the two apart, so young files stay: three days by
//! default, longer than any write takes. The host's own notes count as the table: files of a sync under way, and files that
//! expired snapshots left to a later run.

use std::collections::HashSet;
use std::time::Duration;

use asgard_contract::{Result, TableName};
use chrono::{DateTime, TimeDelta, Utc};

use super::expire::{self, left};
use super::{check_collected_here, is_collected_here};
use crate::catalog::{Catalog, plain};
use crate::storage::FileInfo;
use crate::tables::{TableState, Tables, manifests};
use crate::{error, stream};

/// Shorter than this, files of writers under way would go.
const YOUNGEST: Duration = Duration::from_secs(24 * 3600);

/// Locations that are named in an answer; more are only counted.
const NAMED: usize = 100;

/// Which files are looked for.
#[derive(Debug, Clone, Copy)]
pub struct OrphanSearch {
    /// A day at least.
    pub older_than: Duration,
    /// Only tell.
    pub dry_run: bool,
}

/// What was found, and deleted unless it was a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Orphans {
    pub files: u64,
    pub bytes: u64,
    /// The first hundred.
    pub locations: Vec<String>,
}

impl Tables {
    /// Finds files that no snapshot has, and deletes them.
    ///
    /// # Errors
    /// `not-found`; `unsupported` for a table whose catalog does this itself; those of storage.
    pub(crate) async fn remove_orphans(&self, table: &TableName, search: &OrphanSearch) -> Result<Orphans> {
        let search = OrphanSearch { older_than: search.older_than.max(YOUNGEST), ..*search };
        self.remove_orphans_older(table, &search).await
    }

    /// Whether a search finds any; none is looked for in a table whose catalog does this itself.
    ///
    /// # Errors
    /// `not-found`, and those of storage.
    pub(crate) async fn has_orphans(&self, table: &TableName, older_than: Duration) -> Result<bool> {
        if !is_collected_here(&self.table_state(table).await?.metadata) {
            return Ok(false);
        }
        Ok(self.remove_orphans(table, &OrphanSearch { older_than, dry_run: true }).await?.files > 0)
    }

    pub(super) async fn remove_orphans_older(&self, table: &TableName, search: &OrphanSearch) -> Result<Orphans> {
        let state = self.table_state(table).await?;
        check_collected_here(table, &state.metadata)?;
        let location = state.metadata.location().trim_end_matches('/').to_owned();
        // Listed first: what is written while the table's own files are read is not in the list.
        let found = self.old_files(&location, search.older_than).await?;
        let needed = self.needed(&state).await?;
        let mut orphans = Orphans::default();
        if self.in_dropped_tables(&location).await? {
            return Ok(orphans);
        }
        for file in found.into_iter().filter(|file| !needed.contains(plain(&file.location))) {
            orphans.files += 1;
            orphans.bytes += file.bytes;
            if !search.dry_run {
                let what = || error::iceberg(format!("deleting `{}`", file.location));
                self.inner.io.delete(&file.location).await.map_err(what())?;
            }
            if orphans.locations.len() < NAMED {
                orphans.locations.push(file.location);
            }
        }
        Ok(orphans)
    }

    /// Without schemes: writers write them differently.
    async fn needed(&self, state: &TableState) -> Result<HashSet<String>> {
        let (io, metadata) = (&self.inner.io, &state.metadata);
        let mut needed = manifests::reachable(io, metadata).await?;
        needed.insert(state.location.clone());
        needed.extend(metadata.metadata_log().iter().map(|entry| entry.metadata_file.clone()));
        needed.extend(stream::staged_locations(io, metadata).await?);
        for left in left(metadata)? {
            needed.extend(expire::read_list(io, &left.list).await?);
            needed.insert(left.list);
        }
        Ok(needed.iter().map(|location| plain(location).to_owned()).collect())
    }

    /// A table that was dropped may have lived in the same folder: its readers have an hour, and its files go by then.
    async fn in_dropped_tables(&self, folder: &str) -> Result<bool> {
        let Catalog::Sqlite(catalog) = &self.inner.catalog else { return Ok(false) };
        let within = format!("{}/", plain(folder));
        let dropped = catalog.dropped(Duration::ZERO).await?;
        Ok(dropped.iter().any(|location| plain(location).starts_with(&within)))
    }

    async fn old_files(&self, location: &str, older_than: Duration) -> Result<Vec<FileInfo>> {
        let age = TimeDelta::from_std(older_than).unwrap_or(TimeDelta::MAX);
        let before = Utc::now().checked_sub_signed(age).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let mut found = Vec::new();
        for folder in ["data", "metadata"] {
            let files = self.inner.stores.files(&format!("{location}/{folder}")).await?;
            found.extend(files.into_iter().filter(|file| file.modified <= before));
        }
        Ok(found)
    }
}
