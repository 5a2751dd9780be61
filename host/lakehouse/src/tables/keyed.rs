//! Merge and delete-insert: rows found by key.
//!
//! Copy-on-write: a data file that holds a row that changes is written anew without it, and the incoming rows come as files of
//! their own. Every reader of Iceberg understands the result, and reading costs nothing more. Files whose bounds say that
//! they hold none of the keys are not opened; of the others the key columns are read first.

use std::collections::HashSet;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::Fields;
use asgard_contract::{Error, Result, TableName};
use datafusion::arrow::compute::filter_record_batch;
use futures::stream::TryStreamExt as _;
use iceberg::spec::{Schema, SchemaRef};

use super::files::{FileWriter, Written};
use super::keys::{Found, Keys};
use super::read::{self, ScanFile};
use super::{Inner, TableState};
use crate::types::to_arrow;

/// What two incoming rows with one key mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// An error where they would change one row of the table, as in SQL's MERGE; both are added where they would not.
    Refused,
    /// Both become rows of the table.
    Added,
    /// The later one is the row: the incoming rows are changes in their order.
    LastWins,
}

/// Rows that are merged into a table.
pub(crate) struct Incoming {
    pub(crate) written: Written,
    pub(crate) keys: Keys,
    pub(crate) repeated: Repeated,
}

impl Incoming {
    /// Of a write whose last row has come.
    ///
    /// # Errors
    /// `unavailable` for a full disk.
    pub(crate) async fn new(written: Written, mut keys: Keys, repeated: Repeated) -> Result<Self> {
        keys.finish().await?;
        Ok(Self { written, keys, repeated })
    }

    /// Writes changes anew: of each key the last row only, where the table's layout puts it. The files are still in the order
    /// in which the rows came, which is what [`Found::last`] counts by. Rows that lack values are completed against the table,
    /// and settled then: see [`super::partial`].
    pub(crate) async fn settle(&mut self, tables: &Inner, writer: FileWriter, schema: &SchemaRef) -> Result<()> {
        if self.repeated != Repeated::LastWins || self.keys.is_partial() {
            return Ok(());
        }
        let files = self.written.files.iter().map(ScanFile::uncommitted).collect();
        let mut ordinal = 0;
        let kept = |_: usize, found: Option<Found>| {
            let this = ordinal;
            ordinal += 1;
            found.is_none_or(|found| found.last == Some(this))
        };
        let settled = rewrite(tables, files, schema, writer, &self.keys, kept).await?;
        self.written = settled;
        Ok(())
    }
}

/// Files of the table's current snapshot that hold rows with one of the keys, and what they are without those rows.
pub(crate) async fn without_keys(
    tables: &Inner,
    table: &TableName,
    state: &TableState,
    incoming: &Incoming,
    schema: &SchemaRef,
    writer: FileWriter,
) -> Result<(HashSet<String>, Written)> {
    let affected = affected(tables, table, state, incoming, schema).await?;
    let names = affected.iter().map(|file| file.location.clone()).collect();
    let rest = rewrite(tables, affected, schema, writer, &incoming.keys, |_, found| found.is_none()).await?;
    Ok((names, rest))
}

pub(super) async fn affected(
    tables: &Inner,
    table: &TableName,
    state: &TableState,
    incoming: &Incoming,
    schema: &SchemaRef,
) -> Result<Vec<ScanFile>> {
    if incoming.keys.is_empty() {
        return Ok(Vec::new());
    }
    let table = tables.load_table(table, state).await?;
    let candidates = table.files.iter().filter(|file| incoming.keys.may_be_in(file.entry.data_file()));
    let compared = fields(schema, incoming.keys.field_ids());
    let mut affected = Vec::new();
    for file in candidates {
        let mut keys = read::rows(&tables.io, vec![file.scan.clone()], compared.clone());
        let mut holds = false;
        while let Some(batch) = keys.try_next().await? {
            let found = incoming.keys.find(&batch).await?;
            if incoming.repeated == Repeated::Refused && found.iter().flatten().any(|found| found.count > 1) {
                let columns: Vec<&str> =
                    batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
                return Err(Error::invalid(
                    "key",
                    format!(
                        "several rows of the result have the same {} and would update one row of the table: make the result unique by it",
                        columns.join(", ")
                    ),
                ));
            }
            holds |= found.iter().any(Option::is_some);
            if holds && incoming.repeated != Repeated::Refused {
                break;
            }
        }
        if holds {
            affected.push(file.scan.clone());
        }
    }
    Ok(affected)
}

/// Writes the rows of files anew that `kept` says yes to, given their number in their batch and what is known of their key.
async fn rewrite(
    tables: &Inner,
    files: Vec<ScanFile>,
    schema: &SchemaRef,
    mut writer: FileWriter,
    keys: &Keys,
    mut kept: impl FnMut(usize, Option<Found>) -> bool + Send,
) -> Result<Written> {
    let all: Vec<i32> = schema.as_struct().fields().iter().map(|field| field.id).collect();
    let mut rows = read::rows(&tables.io, files, fields(schema, &all));
    while let Some(batch) = rows.try_next().await? {
        let found = keys.find(&batch).await?;
        let mask: BooleanArray = found.into_iter().enumerate().map(|(index, found)| Some(kept(index, found))).collect();
        writer.write(filtered(&batch, &mask)?).await?;
    }
    writer.finish().await
}

/// Columns by their ids, as a table has them that may be newer than its files.
pub(super) fn fields(schema: &Schema, ids: &[i32]) -> Fields {
    let arrow = to_arrow(schema);
    let index = |id: &i32| schema.as_struct().fields().iter().position(|field| field.id == *id);
    ids.iter().filter_map(index).map(|index| arrow.fields()[index].clone()).collect()
}

fn filtered(batch: &RecordBatch, mask: &BooleanArray) -> Result<RecordBatch> {
    filter_record_batch(batch, mask).map_err(|error| Error::internal(error.to_string()))
}
