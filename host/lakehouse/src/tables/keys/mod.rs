//! The keys of rows that are merged into a table.
//!
//! Of each key there is a [`Fingerprint`], in memory while they are few and in temporary files beyond that: see [`index`]. Only
//! what rows lack ([`Origin`]) is in memory for as many rows as there are. A key with a null in it is equal to nothing, as in SQL:
//! such rows are always added and never replaced.
//!
//! Keys are compared in the widest type that their columns can become ([`evolution::widens`]), so a column that is widened while
//! rows are staged changes no fingerprint.

mod fingerprint;
mod index;
mod run;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{
    ArrowError, DECIMAL128_MAX_PRECISION, DataType, FieldRef, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef,
};
use asgard_contract::{Error, Result};
use datafusion::arrow::row::{RowConverter, SortField};
use iceberg::spec::{DataFile, Schema};

pub(crate) use fingerprint::Fingerprint;
pub(crate) use index::{Found, HELD_KEYS};

use self::fingerprint::Fingerprints;
use self::index::Index;
use super::{evolution, metrics};
use crate::types;

/// A value, encoded so that bytes compare as values do.
type Bytes = Box<[u8]>;

/// What happens to the row of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Write,
    Delete,
}

/// Where the value is that an update left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// In a row of this write.
    Written(u64),
    /// In the table's row with this key.
    Table(Fingerprint),
}

/// What rows of changes say beside their values.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Changes<'a> {
    /// One per row; none = all are written.
    pub(crate) operations: Option<&'a [Operation]>,
    /// Field ids of columns that each row keeps as they were.
    pub(crate) kept: &'a [i32],
    /// The keys before; none = no key changed.
    pub(crate) previous: Option<&'a RecordBatch>,
}

/// The keys of the rows of one write.
pub(crate) struct Keys {
    schema: ArrowSchemaRef,
    /// Field ids of the columns.
    ids: Vec<i32>,
    whole: RowConverter,
    /// One for each column, to compare with a file's bounds.
    each: Vec<RowConverter>,
    bounds: Vec<Option<(Bytes, Bytes)>>,
    fingerprints: Fingerprints,
    index: Index,
    /// Of keys whose last row lacks values: the columns, and where their values are.
    partial: HashMap<Fingerprint, Vec<(i32, Origin)>>,
    rows: u64,
    deletes: bool,
    /// Nothing in the table counts any more.
    emptied: bool,
}

impl Keys {
    /// `held`: so many are in memory at once.
    ///
    /// # Errors
    /// `invalid-input` for a key that is no column of the table, or of a type that has no order.
    pub(crate) fn new(schema: &Schema, key: &[String], held: usize) -> Result<Self> {
        let refused = |message: String| Err(Error::invalid("key", message));
        if key.is_empty() {
            return refused("merging finds rows by a key: name its columns".to_owned());
        }
        let arrow = types::to_arrow(schema);
        let (mut fields, mut ids): (Vec<FieldRef>, Vec<i32>) = (Vec::new(), Vec::new());
        for name in key {
            let Some(field) = schema.as_struct().field_by_name(name) else {
                return refused(evolution::no_column(schema, name));
            };
            if !field.field_type.is_primitive() {
                return refused(format!(
                    "column `{name}` is a {}: a key is a plain value",
                    types::format(&field.field_type)
                ));
            }
            ids.push(field.id);
            fields.push(Arc::clone(&arrow.fields()[arrow.index_of(name).map_err(|e| Error::internal(e.to_string()))?]));
        }
        let sort = |field: &FieldRef| SortField::new(widest(field.data_type()));
        let converter = |fields: Vec<SortField>| RowConverter::new(fields).map_err(failed);
        Ok(Self {
            whole: converter(fields.iter().map(sort).collect())?,
            each: fields.iter().map(|field| converter(vec![sort(field)])).collect::<Result<_>>()?,
            bounds: vec![None; fields.len()],
            schema: Arc::new(ArrowSchema::new(fields)),
            ids,
            fingerprints: Fingerprints::default(),
            index: Index::new(held),
            partial: HashMap::new(),
            rows: 0,
            deletes: false,
            emptied: false,
        })
    }

    /// Of rows that take the place of all of the table's.
    pub(crate) fn of_emptied_table(mut self) -> Self {
        self.emptied = true;
        self
    }

    /// The same keys in a table whose columns have evolved.
    ///
    /// # Errors
    /// Those of [`Keys::new`], and `unavailable` where a column of the key is another now: that of the written rows is gone.
    pub(crate) fn evolved(self, schema: &Schema, key: &[String]) -> Result<Self> {
        let anew = Self { emptied: self.emptied, ..Self::new(schema, key, self.index.limit)? };
        if self.is_empty() {
            return Ok(anew);
        }
        // A column that keeps its id keeps its type too, or has a wider one.
        if anew.ids == self.ids {
            return Ok(Self { schema: anew.schema, ..self });
        }
        Err(Error::unavailable("columns of the key were replaced while rows were staged by them: run it again"))
    }

    /// The key's columns, in the table's types.
    pub(crate) fn schema(&self) -> &ArrowSchemaRef {
        &self.schema
    }

    pub(crate) fn field_ids(&self) -> &[i32] {
        &self.ids
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// After the last row: from here on all is known.
    pub(super) async fn finish(&mut self) -> Result<()> {
        self.index.finish().await
    }

    /// Whether what was written is what the table is to get: no key came twice, and none was deleted.
    pub(crate) fn is_settled(&self) -> bool {
        !self.index.repeats() && !self.deletes
    }

    /// Some rows lack values that have to be found.
    pub(crate) fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    /// What the last row of each key lacks, and where it is.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &(i32, Origin)> {
        self.partial.values().flatten()
    }

    /// What the last row of a key lacks.
    pub(crate) fn lacking(&self, key: Fingerprint) -> &[(i32, Origin)] {
        self.partial.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Takes note of rows in their order: of all of them, or of none where it fails.
    pub(crate) async fn add(&mut self, batch: &RecordBatch, changes: Changes<'_>) -> Result<()> {
        let (columns, keys) = self.encoded(batch)?;
        self.widen(&columns)?;
        let previous = match changes.previous {
            Some(previous) => {
                let (columns, keys) = self.encoded(previous)?;
                self.widen(&columns)?;
                keys
            }
            None => Vec::new(),
        };
        self.index.make_room(keys.len() + previous.len()).await?;
        if !changes.kept.is_empty() {
            self.index.recall(&keys).await?;
            self.index.recall(&previous).await?;
        }
        for (index, key) in keys.into_iter().enumerate() {
            let operation =
                changes.operations.and_then(|operations| operations.get(index)).copied().unwrap_or(Operation::Write);
            let ordinal = self.rows;
            if operation == Operation::Write {
                self.rows += 1;
            } else {
                self.deletes = true;
            }
            let Some(key) = key else { continue };
            let before = previous.get(index).copied().flatten().filter(|before| *before != key);
            let origins = match operation {
                Operation::Write => self.origins_of(before.unwrap_or(key), changes.kept),
                Operation::Delete => Vec::new(),
            };
            if let Some(before) = before {
                self.deletes = true;
                self.partial.remove(&before);
                self.index.delete(before);
            }
            if origins.is_empty() {
                self.partial.remove(&key);
            } else {
                self.partial.insert(key, origins);
            }
            match operation {
                Operation::Write => self.index.write(key, ordinal),
                Operation::Delete => self.index.delete(key),
            }
        }
        Ok(())
    }

    /// Where the values of columns are that the row of a key has now.
    fn origins_of(&self, key: Fingerprint, columns: &[i32]) -> Vec<(i32, Origin)> {
        let found = self.index.held(key);
        let of = |column: &i32| match found {
            Some(Found { last: Some(row), .. }) => {
                let inherited = self.lacking(key).iter().find(|(lacking, _)| lacking == column);
                Some((*column, inherited.map_or(Origin::Written(row), |(_, origin)| *origin)))
            }
            // The row was deleted: there is no value.
            Some(Found { last: None, .. }) => None,
            None if self.emptied => None,
            None => Some((*column, Origin::Table(key))),
        };
        columns.iter().filter_map(of).collect()
    }

    /// The key of each row of a batch; none for one with a null in it.
    pub(crate) fn of(&self, batch: &RecordBatch) -> Result<Vec<Option<Fingerprint>>> {
        self.encoded(batch).map(|(_, keys)| keys)
    }

    fn encoded(&self, batch: &RecordBatch) -> Result<(Vec<ArrayRef>, Vec<Option<Fingerprint>>)> {
        let columns = self.columns(batch)?;
        let rows = self.whole.convert_columns(&columns).map_err(failed)?;
        let key = |index: usize| {
            let has_null = columns.iter().any(|column| column.is_null(index));
            (!has_null).then(|| self.fingerprints.of(rows.row(index).data()))
        };
        let keys = (0..batch.num_rows()).map(key).collect();
        Ok((columns, keys))
    }

    /// What is known of the key of each row of a batch.
    pub(crate) async fn find(&self, batch: &RecordBatch) -> Result<Vec<Option<Found>>> {
        self.index.find(self.of(batch)?).await
    }

    /// Whether a file may hold one of the keys, by its bounds.
    pub(crate) fn may_be_in(&self, file: &DataFile) -> bool {
        self.ids.iter().enumerate().all(|(index, id)| {
            let Some((smallest, largest)) = &self.bounds[index] else { return false };
            // NaN is above all numbers here, and outside of a file's bounds: a file of other numbers may hold it.
            if self.schema.field(index).data_type().is_floating() {
                return true;
            }
            let encoded = |bound: Option<&iceberg::spec::Datum>| -> Option<Bytes> {
                let data_type = self.schema.field(index).data_type();
                let array = metrics::scalar(bound?, data_type)?.to_array().ok()?;
                let array = cast(&array, &widest(data_type)).ok()?;
                Some(self.each[index].convert_columns(&[array]).ok()?.row(0).data().into())
            };
            let below = encoded(file.upper_bounds().get(id)).is_some_and(|upper| upper < *smallest);
            let above = encoded(file.lower_bounds().get(id)).is_some_and(|lower| lower > *largest);
            !below && !above
        })
    }

    /// The key's columns, in the types that keys are compared in.
    fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        self.schema
            .fields()
            .iter()
            .map(|field| {
                let column = batch.column_by_name(field.name());
                let column = column
                    .ok_or_else(|| Error::invalid("key", format!("the rows have no column `{}`", field.name())))?;
                cast(column, &widest(field.data_type())).map_err(failed)
            })
            .collect()
    }

    fn widen(&mut self, columns: &[ArrayRef]) -> Result<()> {
        for (index, column) in columns.iter().enumerate() {
            let rows = self.each[index].convert_columns(std::slice::from_ref(column)).map_err(failed)?;
            for row in (0..column.len()).filter(|row| column.is_valid(*row)).map(|row| rows.row(row)) {
                let value = row.data();
                match &mut self.bounds[index] {
                    None => self.bounds[index] = Some((value.into(), value.into())),
                    Some((smallest, largest)) => {
                        if value < smallest.as_ref() {
                            *smallest = value.into();
                        }
                        if value > largest.as_ref() {
                            *largest = value.into();
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// The type that keys are compared in.
fn widest(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int32 => DataType::Int64,
        DataType::Float32 => DataType::Float64,
        DataType::Decimal128(_, scale) => DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale),
        other => other.clone(),
    }
}

fn failed(error: ArrowError) -> Error {
    Error::internal(error.to_string())
}
