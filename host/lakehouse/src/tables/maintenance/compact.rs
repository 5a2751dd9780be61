//! Small files into large ones, without rows that are marked as deleted.
//!
//! A file is worth it when it is well below the size that the table wants and has others beside it in its partition, when rows
//! of it are deleted, or when it is in a partition specification of before. Files are put together in groups, one commit each,
//! so a long compaction keeps what it has done and a writer that comes in between costs one group at most.
//!
//! Readers see the same rows before and after; the snapshot says so (`replace`). A group that lost a file to another writer
//! meanwhile is given up: its rows are that writer's by then.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use asgard_contract::{Error, Result, TableName};
use async_trait::async_trait;
use futures::TryStreamExt as _;

use crate::tables::commit::{Next, Transaction, check_writable};
use crate::tables::files::{FileWriter, Written};
use crate::tables::layout::Layout;
use crate::tables::snapshot::{self, Added, Plan, Removed};
use crate::tables::undo::Uncommitted;
use crate::tables::write::{changed, finish};
use crate::tables::{Current, DataFile, Inner, Loaded, LoadedTable, Tables, evolution, read};
use crate::types::to_arrow;

/// A file below this part of the wanted size is small.
const SMALL: f64 = 0.75;

/// Compacted files of a sorted table are as large as sorting allows, not as the table wants: only tiny ones count.
const SMALL_SORTED: f64 = 1.0 / 64.0;

/// What names of compacted files start with.
const PREFIX: &str = "compacted";

/// So many small files of one partition are worth writing anew, however small they are.
pub const FEWEST_FILES: usize = 5;

/// Bytes that one group rewrites at most: what is lost when another writer comes in between.
const GROUP_BYTES: u64 = 1 << 30;

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    pub files_before: u64,
    pub files_after: u64,
    /// Of other writers, that are not needed any more.
    pub delete_files: u64,
    pub bytes: u64,
    /// Groups of files that another writer changed meanwhile.
    pub given_up: u64,
}

impl Tables {
    /// Whether a compaction would find enough to do.
    pub(crate) async fn wants_compaction(&self, table: &TableName) -> Result<bool> {
        let Loaded::Table(loaded) = self.load(table).await? else { return Ok(false) };
        Ok(!groups(&loaded).is_empty())
    }

    /// Compacts a table. `told` hears of every group: how many are done, and of how many.
    ///
    /// # Errors
    /// `unsupported` for tables that are not written to, and those of storage. What was committed stays.
    pub(crate) async fn compact(
        &self,
        table: &TableName,
        told: &(dyn Fn(usize, usize) + Send + Sync),
    ) -> Result<Compacted> {
        let state = self.table_state(table).await?;
        check_writable(table, &state.metadata)?;
        let loaded = self.inner.load_table(table, &state).await?;
        let mut done = Compacted::default();
        let groups = groups(&loaded);
        let count = groups.len();
        for (index, files) in groups.into_iter().enumerate() {
            told(index, count);
            self.compact_group(table, &loaded, files, &mut done).await?;
        }
        Ok(done)
    }

    async fn compact_group(
        &self,
        table: &TableName,
        loaded: &LoadedTable,
        files: Vec<DataFile>,
        done: &mut Compacted,
    ) -> Result<()> {
        let metadata = &loaded.state.metadata;
        let (schema, layout) = (Arc::clone(metadata.current_schema()), Layout::of(metadata));
        let io = self.inner.io.clone();
        let mut writer = FileWriter::new(io.clone(), &loaded.location, PREFIX, Arc::clone(&schema), layout)?;
        let scans = files.iter().map(|file| file.scan.clone()).collect();
        let mut rows = read::rows(&io, scans, to_arrow(&schema).fields().clone());
        while let Some(batch) = rows.try_next().await? {
            writer.write(batch).await?;
        }
        drop(rows);
        let mut written = writer.finish().await?;
        let undo = std::mem::take(&mut written.undo);
        let (before, after, bytes) = (files.len() as u64, written.files.len() as u64, written.bytes());
        if after >= before && !files.iter().any(|file| must_go(file, loaded)) {
            // Sorted rows are written in parts that fit memory: nothing would be gained, and nothing is committed.
            return Ok(());
        }
        let mut rewrite = Rewrite { table, files, written, schema, delete_files: 0 };
        match self.inner.commit(table, &mut rewrite, &[&undo]).await? {
            Some(_) => {
                done.files_before += before;
                done.files_after += after;
                done.delete_files += rewrite.delete_files;
                done.bytes += bytes;
            }
            None => done.given_up += 1,
        }
        Ok(())
    }
}

/// Whether a file is written anew whatever its size.
fn must_go(file: &DataFile, loaded: &LoadedTable) -> bool {
    !file.scan.deletes.is_empty() || file.spec_id != loaded.state.metadata.default_partition_spec_id()
}

fn is_compacted(file: &DataFile) -> bool {
    file.location.rsplit('/').next().is_some_and(|name| name.starts_with(PREFIX))
}

/// The files to be put together, those of one partition beside each other.
fn groups(loaded: &LoadedTable) -> Vec<Vec<DataFile>> {
    let metadata = &loaded.state.metadata;
    let wanted = Layout::of(metadata).file_bytes as u64;
    let sorted = !metadata.default_sort_order().is_unsorted();
    let small = |file: &DataFile| {
        let part = if sorted && is_compacted(file) { SMALL_SORTED } else { SMALL };
        (file.size as f64) < wanted as f64 * part
    };
    let must = |file: &DataFile| must_go(file, loaded);

    let mut partitions: BTreeMap<(i32, String), Vec<&DataFile>> = BTreeMap::new();
    for file in loaded.files.iter().filter(|file| small(file) || must(file)) {
        let partition = format!("{:?}", file.entry.data_file().partition());
        partitions.entry((file.spec_id, partition)).or_default().push(file);
    }
    let mut groups: Vec<Vec<DataFile>> = Vec::new();
    let (mut group, mut bytes): (Vec<DataFile>, u64) = (Vec::new(), 0);
    for files in partitions.into_values() {
        let together: u64 = files.iter().map(|file| file.size).sum();
        // Fewer files than before must come of it.
        let fewer = files.len() >= FEWEST_FILES || (files.len() >= 2 && together >= wanted);
        for file in files.into_iter().filter(|file| must(file) || fewer) {
            if bytes >= GROUP_BYTES {
                groups.push(std::mem::take(&mut group));
                bytes = 0;
            }
            bytes += file.size;
            group.push(file.clone());
        }
    }
    if !group.is_empty() {
        groups.push(group);
    }
    groups
}

struct Rewrite<'a> {
    table: &'a TableName,
    files: Vec<DataFile>,
    written: Written,
    schema: iceberg::spec::SchemaRef,
    delete_files: u64,
}

#[async_trait]
impl Transaction for Rewrite<'_> {
    async fn next(&mut self, tables: &Inner, current: Option<&Current>, undo: &Uncommitted) -> Result<Next> {
        let Some(state) = current.and_then(Current::table) else { return Ok(Next::Nothing) };
        let now = tables.load_table(self.table, state).await?;
        let live: HashMap<&str, &DataFile> = now.files.iter().map(|file| (file.location.as_str(), file)).collect();
        let unchanged = self.files.iter().all(|file| {
            // Rows of it that were deleted since would come back.
            live.get(file.location.as_str()).is_some_and(|now| deletes_of(now) == deletes_of(file))
        });
        if !unchanged || !evolution::equal(&self.schema, state.metadata.current_schema()) {
            return Ok(Next::Nothing);
        }
        let mut removed: HashSet<String> = self.files.iter().map(|file| file.location.clone()).collect();
        // Deletions that are left without a file to apply to.
        let rest = now.files.iter().filter(|file| !removed.contains(&file.location));
        let needed: HashSet<&str> = rest.flat_map(deletes_of).collect();
        let unneeded: Vec<String> = now
            .deletes
            .iter()
            .map(|delete| delete.entry.file_path())
            .filter(|location| !needed.contains(location))
            .map(ToOwned::to_owned)
            .collect();
        self.delete_files = unneeded.len() as u64;
        removed.extend(unneeded);

        let builder = changed(state)?;
        let base = builder.clone().build().map_err(failed())?.metadata;
        let added = Added { files: &self.written.files, spec: Arc::clone(&self.written.spec) };
        let plan = Plan {
            base: &base,
            schema: Arc::clone(base.current_schema()),
            added,
            removed: Removed::Files(removed),
            same_rows: true,
            notes: HashMap::from([("asgard.maintenance".to_owned(), "compaction".to_owned())]),
        };
        let snapshot = snapshot::write(&tables.io, plan, undo).await?;
        Ok(Next::Commit(Box::new(finish(builder, snapshot)?)))
    }
}

fn deletes_of(file: &DataFile) -> Vec<&str> {
    let mut deletes: Vec<&str> = file.scan.deletes.iter().map(|delete| delete.entry.file_path()).collect();
    deletes.sort_unstable();
    deletes
}

fn failed() -> impl FnOnce(iceberg::Error) -> Error {
    crate::error::iceberg("compacting a table")
}
