//! Rows of a sync: staged as they come, committed together with the sync's checkpoint.
//!
//! | mode | a checkpoint makes visible | the end of the stream |
//! | --- | --- | --- |
//! | overwrite | nothing; what was staged is kept with the checkpoint | all that was staged replaces the table, columns included |
//! | append | the rows since the last one | the same |
//! | merge, change data capture | the rows since the last one, by primary key | the same |
//!
//! A crash loses what came after the last checkpoint, and the sync goes on from there: no row is lost or doubled. The files that
//! such a crash leaves behind are deleted when the sync is opened again.

mod checkpoint;
mod commit;
mod decode;
mod open;
#[cfg(test)]
mod tests;

use asgard_contract::connector::{Change, Rows, SyncMode};
use asgard_contract::{Column, Error, Result, TableName};
use iceberg::spec::SchemaRef;

pub use checkpoint::Checkpoint;
pub(crate) use checkpoint::checkpoint;

use crate::storage::Storage;
use crate::tables::Tables;
use crate::tables::parts::{FileWriter, Keys, Layout, Operation};
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
    /// Whose checkpoint it is: the ingestion and its generation. A checkpoint of another owner does not count.
    pub ingestion_id: String,
}

impl StreamTarget {
    fn merges(&self) -> bool {
        matches!(self.mode, SyncMode::IncrementalMerge | SyncMode::ChangeDataCapture)
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
    layout: Layout,
    /// URL of the table.
    location: String,
    decoder: decode::Decoder,
    caster: Caster,
    files: Option<FileWriter>,
    keys: Option<Keys>,
    /// Rows that this sync has committed.
    committed: u64,
    /// Rows since the last commit.
    staged: u64,
}

impl StreamWriter {
    /// Writes rows to files that no reader sees yet.
    ///
    /// # Errors
    /// `internal` for rows that cannot be read, `invalid-input` for values that do not fit the columns, and those of storage.
    /// What was staged before stays staged.
    pub async fn stage(&mut self, rows: Rows) -> Result<Staged> {
        let bytes = match &rows.data {
            asgard_contract::connector::RowData::ArrowIpc(data)
            | asgard_contract::connector::RowData::JsonLines(data) => data.len() as u64,
        };
        let batches = self.decoder.decode(rows.data).await?;
        let records: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        if !rows.changes.is_empty() && rows.changes.len() != records {
            return Err(Error::internal(format!(
                "the connector told {} changes of {records} rows: expected one for each",
                rows.changes.len()
            )));
        }
        let mut changes = rows.changes.as_slice();
        for batch in batches {
            let (of_batch, rest) = changes.split_at(batch.num_rows().min(changes.len()));
            changes = rest;
            self.stage_batch(&batch, of_batch).await?;
        }
        self.staged += records as u64;
        Ok(Staged { records: records as u64, bytes })
    }

    async fn stage_batch(&mut self, batch: &arrow_array::RecordBatch, changes: &[Change]) -> Result<()> {
        let deletes = changes.contains(&Change::Delete);
        let Some(keys) = &mut self.keys else {
            if deletes {
                return Err(Error::unsupported("a stream that is not merged cannot have rows deleted"));
            }
            let batch = self.caster.cast(batch)?;
            return self.write(batch).await;
        };
        let operations: Vec<Operation> = changes
            .iter()
            .map(|change| if *change == Change::Delete { Operation::Delete } else { Operation::Write })
            .collect();
        let of_keys = Caster::new(std::sync::Arc::clone(keys.schema())).cast(batch)?;
        if let Some(column) = of_keys.columns().iter().position(|column| arrow_array::Array::null_count(column) > 0) {
            return Err(Error::InvalidInput {
                field: None,
                message: format!(
                    "column `{}` is part of the primary key and has nulls: rows cannot be merged by it",
                    of_keys.schema_ref().field(column).name()
                ),
            });
        }
        keys.add(&of_keys, if operations.is_empty() { None } else { Some(&operations) })?;
        let batch = if deletes {
            // Only the key of a deleted row matters: the rest may be null where the table wants values.
            let mask: arrow_array::BooleanArray =
                operations.iter().map(|operation| Some(*operation == Operation::Write)).collect();
            datafusion::arrow::compute::filter_record_batch(batch, &mask).map_err(|e| Error::internal(e.to_string()))?
        } else {
            batch.clone()
        };
        let batch = self.caster.cast(&batch)?;
        self.write(batch).await
    }

    async fn write(&mut self, batch: arrow_array::RecordBatch) -> Result<()> {
        if self.files.is_none() {
            self.files = Some(self.file_writer(&self.schema)?);
        }
        match &mut self.files {
            Some(writer) => writer.write(batch).await,
            None => Ok(()),
        }
    }

    fn file_writer(&self, schema: &SchemaRef) -> Result<FileWriter> {
        let (io, prefix) = (self.tables.inner.io.clone(), self.target.prefix());
        FileWriter::new(io, &self.location, &prefix, SchemaRef::clone(schema), self.layout.clone())
    }
}
