//! Manifests: which files a snapshot has.

use std::collections::HashSet;

use asgard_contract::Result;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use iceberg::io::FileIO;
use iceberg::spec::{
    Manifest, ManifestContentType, ManifestEntryRef, ManifestFile, ManifestList, Snapshot, TableMetadata,
};

use crate::error;

/// Manifests read at a time: enough to hide the storage's latency.
const CONCURRENCY: usize = 8;

/// One manifest and its live entries.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) manifest: ManifestFile,
    pub(crate) entries: Vec<ManifestEntryRef>,
}

/// The manifests of a snapshot.
pub(crate) async fn of_snapshot(
    io: &FileIO,
    metadata: &TableMetadata,
    snapshot: &Snapshot,
) -> Result<Vec<ManifestFile>> {
    let what = format!("reading `{}`", snapshot.manifest_list());
    let input = io.new_input(snapshot.manifest_list()).map_err(error::iceberg(&what))?;
    let bytes = input.read().await.map_err(error::iceberg(&what))?;
    let list = ManifestList::parse_with_version(&bytes, metadata.format_version()).map_err(error::iceberg(&what))?;
    Ok(list.consume_entries().into_iter().collect())
}

/// The live entries of manifests, in their order.
pub(crate) async fn live(io: &FileIO, manifests: Vec<ManifestFile>) -> Result<Vec<Live>> {
    let read = manifests.into_iter().map(|manifest| async move {
        let read = load(io, &manifest).await?;
        let entries = read.entries().iter().filter(|entry| entry.is_alive()).cloned().collect();
        Ok(Live { manifest, entries })
    });
    futures::stream::iter(read).buffered(CONCURRENCY).try_collect().await
}

async fn load(io: &FileIO, manifest: &ManifestFile) -> Result<Manifest> {
    let what = format!("reading `{}`", manifest.manifest_path);
    manifest.load_manifest(io).await.map_err(error::iceberg(what))
}

/// The locations of all data files that any snapshot of the table has.
pub(crate) async fn all_files(io: &FileIO, metadata: &TableMetadata) -> Result<HashSet<String>> {
    let mut manifests: Vec<ManifestFile> = Vec::new();
    let mut seen = HashSet::new();
    for snapshot in metadata.snapshots() {
        for manifest in of_snapshot(io, metadata, snapshot).await? {
            if seen.insert(manifest.manifest_path.clone()) {
                manifests.push(manifest);
            }
        }
    }
    // Collected first: a stream that holds this closure across an await is not `Send` for the compiler.
    let read: Vec<_> = manifests.iter().map(|manifest| load(io, manifest)).collect();
    let manifests: Vec<Manifest> = futures::stream::iter(read).buffered(CONCURRENCY).try_collect().await?;
    let entries = manifests.iter().flat_map(Manifest::entries);
    Ok(entries.map(|entry| entry.file_path().to_owned()).collect())
}

/// The locations of everything that the table's snapshots are made of: lists, manifests, files of rows and of deletions that
/// are not gone, and statistics.
pub(crate) async fn reachable(io: &FileIO, metadata: &TableMetadata) -> Result<HashSet<String>> {
    let (mut found, mut manifests) = (HashSet::new(), Vec::new());
    for snapshot in metadata.snapshots() {
        found.insert(snapshot.manifest_list().to_owned());
        for manifest in of_snapshot(io, metadata, snapshot).await? {
            if found.insert(manifest.manifest_path.clone()) {
                manifests.push(manifest);
            }
        }
    }
    let live = live(io, manifests).await?;
    found.extend(live.iter().flat_map(|live| &live.entries).map(|entry| entry.file_path().to_owned()));
    found.extend(metadata.statistics_iter().map(|statistics| statistics.statistics_path.clone()));
    found.extend(metadata.partition_statistics_iter().map(|statistics| statistics.statistics_path.clone()));
    Ok(found)
}

/// Whether a manifest lists rows, not deletions of rows.
pub(crate) fn holds_data(manifest: &ManifestFile) -> bool {
    manifest.content == ManifestContentType::Data
}
