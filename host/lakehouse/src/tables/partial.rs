//! Rows of updates that left values alone, completed with what the rows had before.
//!
//! A database's log need not repeat a large value that an update did not touch. Where it is was noted when the row came
//! ([`Origin`]): in an earlier row of the same write, or in the table. Values of the table are those of the newest state, so
//! this is part of each attempt at a commit. All values that are carried over are held in memory until they are written, so a
//! connector commits before they become many.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use asgard_contract::{Error, Result, TableName};
use datafusion::arrow::compute::{filter_record_batch, interleave, take};
use futures::stream::TryStreamExt as _;
use iceberg::spec::SchemaRef;

use super::files::{FileWriter, Written};
use super::keyed::{self, Incoming};
use super::keys::{Fingerprint, Origin};
use super::read::{self, ScanFile};
use super::{Inner, TableState};

/// Single values by where they were.
type Values = HashMap<(i32, Origin), ArrayRef>;

/// The last row of each key, with all of its values, in files of their own. Rows are found by their number: the incoming files
/// must have them as they came.
pub(crate) async fn complete(
    tables: &Inner,
    table: &TableName,
    state: &TableState,
    incoming: &Incoming,
    schema: &SchemaRef,
    mut writer: FileWriter,
) -> Result<Written> {
    let values = collect(tables, table, state, incoming, schema).await?;
    let all: Vec<i32> = schema.as_struct().fields().iter().map(|field| field.id).collect();
    let mut rows = read::rows(&tables.io, staged(incoming), keyed::fields(schema, &all));
    let mut ordinal = 0;
    while let Some(batch) = rows.try_next().await? {
        let mut mask = Vec::with_capacity(batch.num_rows());
        for found in incoming.keys.find(&batch).await? {
            mask.push(Some(found.is_none_or(|found| found.last == Some(ordinal))));
            ordinal += 1;
        }
        let batch = filter_record_batch(&batch, &BooleanArray::from(mask)).map_err(failed)?;
        writer.write(filled(&batch, incoming, &all, &values)?).await?;
    }
    writer.finish().await
}

async fn collect(
    tables: &Inner,
    table: &TableName,
    state: &TableState,
    incoming: &Incoming,
    schema: &SchemaRef,
) -> Result<Values> {
    let mut written: HashMap<u64, Vec<i32>> = HashMap::new();
    let mut of_table: HashMap<Fingerprint, Vec<i32>> = HashMap::new();
    let mut columns: HashSet<i32> = incoming.keys.field_ids().iter().copied().collect();
    for (column, origin) in incoming.keys.origins() {
        columns.insert(*column);
        match origin {
            Origin::Written(row) => written.entry(*row).or_default().push(*column),
            Origin::Table(key) => of_table.entry(*key).or_default().push(*column),
        }
    }
    // In the schema's order: positions in the batches follow from it.
    let ids: Vec<i32> =
        schema.as_struct().fields().iter().map(|field| field.id).filter(|id| columns.contains(id)).collect();
    let mut values = Values::new();
    if !written.is_empty() {
        let mut rows = read::rows(&tables.io, staged(incoming), keyed::fields(schema, &ids));
        let mut ordinal = 0;
        while let Some(batch) = rows.try_next().await? {
            for index in 0..batch.num_rows() {
                for column in written.get(&ordinal).into_iter().flatten() {
                    values.insert((*column, Origin::Written(ordinal)), value(&batch, index, &ids, *column)?);
                }
                ordinal += 1;
            }
        }
    }
    if !of_table.is_empty() {
        let files = keyed::affected(tables, table, state, incoming, schema).await?;
        let mut rows = read::rows(&tables.io, files, keyed::fields(schema, &ids));
        while let Some(batch) = rows.try_next().await? {
            for (index, key) in incoming.keys.of(&batch)?.into_iter().enumerate() {
                let Some(key) = key else { continue };
                for column in of_table.get(&key).into_iter().flatten() {
                    values.insert((*column, Origin::Table(key)), value(&batch, index, &ids, *column)?);
                }
            }
        }
    }
    Ok(values)
}

/// The incoming rows' own files, in their order.
fn staged(incoming: &Incoming) -> Vec<ScanFile> {
    incoming.written.files.iter().map(ScanFile::uncommitted).collect()
}

/// A copy: a slice would keep all of its batch in memory.
fn value(batch: &RecordBatch, row: usize, ids: &[i32], column: i32) -> Result<ArrayRef> {
    let position = ids.iter().position(|id| *id == column);
    let position = position.ok_or_else(|| Error::internal(format!("column {column} was not read")))?;
    let row = u32::try_from(row).map_err(|_| Error::internal("a batch has too many rows"))?;
    take(batch.column(position), &UInt32Array::from(vec![row]), None).map_err(failed)
}

fn filled(batch: &RecordBatch, incoming: &Incoming, ids: &[i32], values: &Values) -> Result<RecordBatch> {
    let mut lacking: HashMap<i32, Vec<(usize, &ArrayRef)>> = HashMap::new();
    for (row, key) in incoming.keys.of(batch)?.into_iter().enumerate() {
        for lacks in key.into_iter().flat_map(|key| incoming.keys.lacking(key)) {
            if let Some(value) = values.get(lacks) {
                lacking.entry(lacks.0).or_default().push((row, value));
            }
        }
    }
    let mut columns = batch.columns().to_vec();
    for (column, found) in lacking {
        let Some(position) = ids.iter().position(|id| *id == column) else { continue };
        let own = Arc::clone(&columns[position]);
        let mut arrays: Vec<&dyn Array> = vec![own.as_ref()];
        let mut indices: Vec<(usize, usize)> = (0..own.len()).map(|row| (0, row)).collect();
        for (row, value) in found {
            indices[row] = (arrays.len(), 0);
            arrays.push(value.as_ref());
        }
        columns[position] = interleave(&arrays, &indices).map_err(failed)?;
    }
    RecordBatch::try_new(batch.schema(), columns).map_err(failed)
}

fn failed(error: arrow_schema::ArrowError) -> Error {
    Error::internal(format!("completing updated rows: {error}"))
}
