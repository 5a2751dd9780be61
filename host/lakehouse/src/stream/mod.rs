//! Rows of a sync: staged as they come, committed together with the sync's checkpoint.
//!
//! | mode | a checkpoint makes visible | the end of the stream |
//! | --- | --- | --- |
//! | overwrite | nothing; what was staged is kept with the checkpoint | all that was staged replaces the table, columns included |
//! | append | the rows since the last one | the same |
//! | merge, change data capture | the rows since the last one, by primary key | the same |
//!
//! A merged stream without a checkpoint starts over: its first commit replaces what the table had, so that rows that are gone
//! from the source do not stay. A truncation does the same in the middle of a stream.
//!
//! A crash loses what came after the last checkpoint, and the sync goes on from there: no row is lost or doubled. The files that
//! such a crash leaves behind are deleted when the sync is opened again.

mod changes;
mod checkpoint;
mod commit;
mod decode;
mod open;
mod release;
#[cfg(test)]
mod tests;

use asgard_contract::connector::SyncMode;
use asgard_contract::{Column, Result, TableName};
use iceberg::spec::SchemaRef;

pub use checkpoint::Checkpoint;
pub(crate) use checkpoint::{checkpoint, is_checkpoint};
pub(crate) use release::release;

use crate::storage::Storage;
use crate::tables::Tables;
use crate::tables::parts::{FileWriter, Keys, Layout, Written};
use crate::types::Caster;

/// Files of a sync under way that no snapshot of the table has yet.
pub(crate) async fn staged_locations(
    io: &iceberg::io::FileIO,
    metadata: &iceberg::spec::TableMetadata,
) -> Result<Vec<String>> {
    let Some(staged) = checkpoint::staged(metadata)? else { return Ok(Vec::new()) };
    let files = open::staged_files(io, &staged.manifests).await?;
    let mut locations: Vec<String> = files.iter().map(|file| file.file_path().to_owned()).collect();
    locations.extend(staged.manifests);
    Ok(locations)
}

/// One stream of a sync and the table it goes to.
#[derive(Debug, Clone)]
pub struct StreamTarget {
    pub table: TableName,
    /// Where the table is made if it is not there yet: in `namespace/name` of this storage.
    pub location: Storage,
    pub columns: Vec<Column>,
    pub mode: SyncMode,
    /// For the modes that merge.
    pub primary_key: Vec<String>,
    pub sync_id: String,
    /// Whose checkpoint it is: the ingestion and its generation, as `id/generation`. A checkpoint of another owner does not count.
    pub ingestion_id: String,
}

impl StreamTarget {
    fn merges(&self) -> bool {
        self.mode.merges()
    }

    fn overwrites(&self) -> bool {
        self.mode == SyncMode::FullRefreshOverwrite
    }

    /// The start of the names of this sync's files.
    fn prefix(&self) -> String {
        let id: String = self.sync_id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        format!("sync-{id}")
    }
}

/// What one batch of rows came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Staged {
    pub records: u64,
    /// As they were handed over.
    pub bytes: u64,
}

/// Writes one stream's rows.
pub struct StreamWriter {
    tables: Tables,
    target: StreamTarget,
    /// Who may commit, as the table's properties have it.
    name: String,
    schema: SchemaRef,
    /// The table's.
    layout: Layout,
    /// Of files until the commit. Rows of a merged stream have to stay in the order in which they came, since the last one of a
    /// key is the row: the commit writes them anew where the table splits or sorts them.
    staging: Layout,
    /// URL of the table.
    location: String,
    decoder: decode::Decoder,
    caster: Caster,
    files: Option<FileWriter>,
    /// Files of before the columns evolved.
    finished: Written,
    keys: Option<Keys>,
    found: Option<Checkpoint>,
    /// The next commit replaces what the table has.
    replaces: bool,
    /// Rows that this sync has committed.
    committed: u64,
    /// Rows since the last commit.
    staged: u64,
}

impl StreamWriter {
    /// The last checkpoint that the owner had committed when the table was opened; from then on nobody but this writer commits
    /// another. One that was read before may be older: who wrote until then had a commit under way.
    pub fn found(&self) -> Option<&Checkpoint> {
        self.found.as_ref()
    }

    /// For files as the table has them.
    fn file_writer(&self, schema: &SchemaRef) -> Result<FileWriter> {
        self.writer_of(schema, &self.layout)
    }

    /// For rows as they come.
    fn staging_writer(&self) -> Result<FileWriter> {
        self.writer_of(&self.schema, &self.staging)
    }

    fn writer_of(&self, schema: &SchemaRef, layout: &Layout) -> Result<FileWriter> {
        let (io, prefix) = (self.tables.inner.io.clone(), self.target.prefix());
        FileWriter::new(io, &self.location, &prefix, SchemaRef::clone(schema), layout.clone())
    }

    /// Whether files that were staged may become the table's as they are.
    fn stages_in_place(&self) -> bool {
        !self.target.merges() || (self.layout.keeps_rows_as_they_come() && self.layout.same_files(&self.staging))
    }
}
