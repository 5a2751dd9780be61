//! Files in a table's folder that belong to none of its snapshots: left by writers that were killed, or by other programs.
//!
//! A file that is being written belongs to no snapshot yet. Only age tells the two apart, so young files stay: three days by
//! default, longer than any write takes. The host's own notes count as the table: files of a sync under way, and files that
//! expired snapshots left to a later run.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use asgard_contract::{Result, TableName};

use super::expire::{self, left};
use crate::tables::{TableState, Tables, manifests};
use crate::{error, storage, stream};

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
    /// `not-found`; `unsupported` for storage that cannot be listed here.
    pub(crate) async fn remove_orphans(&self, table: &TableName, search: &OrphanSearch) -> Result<Orphans> {
        let search = OrphanSearch { older_than: search.older_than.max(YOUNGEST), ..*search };
        self.remove_orphans_older(table, &search).await
    }

    pub(super) async fn remove_orphans_older(&self, table: &TableName, search: &OrphanSearch) -> Result<Orphans> {
        let state = self.table_state(table).await?;
        let location = state.metadata.location().to_owned();
        let folder = storage::path_of(&location)?.to_owned();
        // Listed first: what is written while the table's own files are read is not in the list.
        let found = old_files(&folder, search.older_than).await?;
        let needed = self.needed(&state).await?;
        let mut orphans = Orphans::default();
        if self.in_dropped_tables(&folder).await? {
            return Ok(orphans);
        }
        for (path, bytes) in found.into_iter().filter(|(path, _)| !needed.contains(path)) {
            orphans.files += 1;
            orphans.bytes += bytes;
            if orphans.locations.len() < NAMED {
                orphans.locations.push(format!("file://{}", path.display()));
            }
            if !search.dry_run {
                tokio::fs::remove_file(&path)
                    .await
                    .map_err(error::io(format_args!("deleting `{}`", path.display())))?;
            }
        }
        Ok(orphans)
    }

    async fn needed(&self, state: &TableState) -> Result<HashSet<PathBuf>> {
        let (io, metadata) = (&self.inner.io, &state.metadata);
        let mut needed = manifests::reachable(io, metadata).await?;
        needed.insert(state.location.clone());
        needed.extend(metadata.metadata_log().iter().map(|entry| entry.metadata_file.clone()));
        needed.extend(stream::staged_locations(io, metadata).await?);
        for left in left(metadata)? {
            needed.extend(expire::read_list(io, &left.list).await?);
            needed.insert(left.list);
        }
        needed.iter().map(|location| Ok(storage::path_of(location)?.to_owned())).collect()
    }

    /// A table that was dropped may have lived in the same folder: its readers have an hour, and its files go by then.
    async fn in_dropped_tables(&self, folder: &Path) -> Result<bool> {
        let dropped = self.inner.catalog.dropped(Duration::ZERO).await?;
        let lived = |location: &String| storage::path_of(location).is_ok_and(|path| path.starts_with(folder));
        Ok(dropped.iter().any(lived))
    }
}

async fn old_files(folder: &Path, older_than: Duration) -> Result<Vec<(PathBuf, u64)>> {
    let before = SystemTime::now().checked_sub(older_than).unwrap_or(SystemTime::UNIX_EPOCH);
    let (mut open, mut found) = (vec![folder.join("data"), folder.join("metadata")], Vec::new());
    while let Some(folder) = open.pop() {
        let what = || format!("listing `{}`", folder.display());
        let mut entries = match tokio::fs::read_dir(&folder).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error::io(what())(error)),
        };
        while let Some(entry) = entries.next_entry().await.map_err(error::io(what()))? {
            let about = match entry.metadata().await {
                Ok(about) => about,
                // Deleted meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error::io(what())(error)),
            };
            if about.is_dir() {
                open.push(entry.path());
            } else if about.is_file() && about.modified().is_ok_and(|modified| modified <= before) {
                found.push((entry.path(), about.len()));
            }
        }
    }
    Ok(found)
}
