//! Taking rows and changes in: to files that no reader sees yet.

use std::sync::Arc;

use arrow_array::{Array as _, BooleanArray, RecordBatch};
use arrow_schema::Schema as ArrowSchema;
use asgard_contract::connector::{Change, RowData, Rows};
use asgard_contract::{Column, Error, Result};
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use iceberg::spec::SchemaRef;

use super::decode::Decoder;
use super::{Staged, StreamWriter, open};
use crate::tables::parts::{Changes, Keys, Operation, Written};
use crate::types::{Caster, placeholder};

impl StreamWriter {
    /// Writes rows to files that no reader sees yet.
    ///
    /// # Errors
    /// `internal` for rows that cannot be read, `invalid-input` for values that do not fit the columns, and those of storage.
    /// What was staged before stays staged.
    pub async fn stage(&mut self, rows: Rows) -> Result<Staged> {
        let bytes = match &rows.data {
            RowData::ArrowIpc(data) | RowData::JsonLines(data) => data.len() as u64,
        };
        if !rows.kept.is_empty() || rows.previous_keys.is_some() {
            self.check_merges("updates that leave values or change keys")?;
        }
        let batches = self.decoder.decode_without(rows.data, &rows.kept).await?;
        let records: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if !rows.changes.is_empty() && rows.changes.len() != records {
            return Err(Error::internal(format!(
                "the connector told {} changes of {records} rows: expected one for each",
                rows.changes.len()
            )));
        }
        let previous = match (rows.previous_keys, &self.keys) {
            (Some(data), Some(keys)) => Some(previous_keys(keys, data, records).await?),
            _ => None,
        };
        let mut start = 0;
        for batch in batches {
            let end = start + batch.num_rows();
            let changes = rows.changes.get(start..end).unwrap_or_default();
            let previous = previous.as_ref().map(|keys| keys.slice(start, batch.num_rows()));
            self.stage_batch(batch, changes, &rows.kept, previous.as_ref()).await?;
            start = end;
        }
        self.staged += records as u64;
        Ok(Staged { records: records as u64, bytes })
    }

    /// The stream lost all of its rows: what was staged is dropped, and the next commit replaces what the table has.
    ///
    /// # Errors
    /// `unsupported` for a stream that is not merged.
    pub fn truncate(&mut self) -> Result<()> {
        self.check_merges("a truncation")?;
        (self.files, self.finished, self.replaces) = (None, Written::nothing(&self.staging), true);
        self.keys = open::keys(&self.tables, &self.schema, &self.target, true)?;
        Ok(())
    }

    /// The stream has these columns from here on: the table gets them now, and rows that were staged before stay staged.
    ///
    /// # Errors
    /// `invalid-input` naming a column whose type the table's cannot become; `conflict` when another host has taken over.
    pub async fn evolve(&mut self, columns: Vec<Column>) -> Result<()> {
        self.finish_files().await?;
        self.target.columns = columns;
        self.reopen().await?;
        if let Some(keys) = self.keys.take() {
            self.keys = Some(keys.evolved(&self.schema, &self.target.primary_key)?);
        }
        Ok(())
    }

    /// Closes the files that are being written.
    pub(super) async fn finish_files(&mut self) -> Result<()> {
        if let Some(files) = self.files.take() {
            let written = files.finish().await?;
            self.finished.files.extend(written.files);
            self.finished.undo.adopt(written.undo);
        }
        Ok(())
    }

    fn check_merges(&self, what: &str) -> Result<()> {
        if self.target.merges() {
            return Ok(());
        }
        Err(Error::unsupported(format!("a stream that is not merged cannot take {what}")))
    }

    async fn stage_batch(
        &mut self,
        batch: RecordBatch,
        changes: &[Change],
        kept: &[String],
        previous: Option<&RecordBatch>,
    ) -> Result<()> {
        let deletes = changes.contains(&Change::Delete);
        let Some(keys) = &self.keys else {
            if deletes {
                return Err(Error::unsupported("a stream that is not merged cannot have rows deleted"));
            }
            let batch = self.caster.cast(&batch)?;
            return self.write(batch).await;
        };
        let operations: Vec<Operation> = changes
            .iter()
            .map(|change| if *change == Change::Delete { Operation::Delete } else { Operation::Write })
            .collect();
        let of_keys = Caster::new(Arc::clone(keys.schema())).cast(&batch)?;
        check_keys(&of_keys)?;
        let kept = ids(&self.schema, kept)?;
        let batch = if deletes {
            // Only the key of a deleted row matters: the rest may be null where the table wants values.
            let mask: BooleanArray = operations.iter().map(|operation| Some(*operation == Operation::Write)).collect();
            filter_record_batch(&batch, &mask).map_err(|e| Error::internal(e.to_string()))?
        } else {
            batch
        };
        let batch = self.caster.cast(&self.with_placeholders(batch, &kept)?)?;
        // Last of all that may refuse the rows: keys are counted by the rows that are written.
        if let Some(keys) = &mut self.keys {
            let operations = if operations.is_empty() { None } else { Some(operations.as_slice()) };
            keys.add(&of_keys, Changes { operations, kept: &kept, previous }).await?;
        }
        self.write(batch).await
    }

    /// What is to be found at the commit has something else in its place until then.
    fn with_placeholders(&self, batch: RecordBatch, kept: &[i32]) -> Result<RecordBatch> {
        if kept.is_empty() {
            return Ok(batch);
        }
        let (mut fields, mut columns) = (batch.schema().fields().to_vec(), batch.columns().to_vec());
        let all = crate::types::to_arrow(&self.schema);
        for (field, arrow) in self.schema.as_struct().fields().iter().zip(all.fields()) {
            if kept.contains(&field.id) {
                columns.push(placeholder(arrow, batch.num_rows())?);
                fields.push(Arc::clone(arrow));
            }
        }
        RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), columns).map_err(|e| Error::internal(e.to_string()))
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let writer = match self.files.take() {
            Some(writer) => writer,
            None => self.staging_writer()?,
        };
        self.files.insert(writer).write(batch).await
    }
}

async fn previous_keys(keys: &Keys, data: RowData, records: usize) -> Result<RecordBatch> {
    let batches = Decoder::new(Arc::clone(keys.schema())).decode(data).await?;
    let caster = Caster::new(Arc::clone(keys.schema()));
    let batches = batches.iter().map(|batch| caster.cast(batch)).collect::<Result<Vec<_>>>()?;
    let batch = concat_batches(keys.schema(), &batches).map_err(|error| Error::internal(error.to_string()))?;
    check_keys(&batch)?;
    if batch.num_rows() == records {
        return Ok(batch);
    }
    Err(Error::internal(format!(
        "the connector told {} keys of before for {records} rows: expected one for each",
        batch.num_rows()
    )))
}

fn check_keys(keys: &RecordBatch) -> Result<()> {
    match keys.columns().iter().position(|column| column.null_count() > 0) {
        None => Ok(()),
        Some(column) => Err(Error::InvalidInput {
            field: None,
            message: format!(
                "column `{}` is part of the primary key and has nulls: rows cannot be merged by it",
                keys.schema_ref().field(column).name()
            ),
        }),
    }
}

fn ids(schema: &SchemaRef, names: &[String]) -> Result<Vec<i32>> {
    let id = |name: &String| {
        let field = schema.as_struct().field_by_name(name).map(|field| field.id);
        field.ok_or_else(|| Error::internal(format!("the connector keeps column `{name}`, which the stream has not")))
    };
    names.iter().map(id).collect()
}
