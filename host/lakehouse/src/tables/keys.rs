//! The keys of rows that are merged into a table.
//!
//! All keys of one write are held in memory, about a hundred bytes each; the rows themselves are in files. A key with a null
//! in it is equal to nothing, as in SQL: such rows are always added and never replaced.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{FieldRef, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use asgard_contract::{Error, Result};
use datafusion::arrow::row::{RowConverter, SortField};
use iceberg::spec::{DataFile, Schema};

use super::metrics;
use crate::types;

type Bytes = Box<[u8]>;

/// What happens to the row of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Write,
    Delete,
}

/// What the rows of a write say about one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// The last row with this key, counted over all written rows; none = the last word was to delete it.
    pub(crate) last: Option<u64>,
    /// Rows written with it.
    pub(crate) count: u32,
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
    found: HashMap<Bytes, Found>,
    rows: u64,
    deletes: bool,
    repeats: bool,
}

impl Keys {
    /// # Errors
    /// `invalid-input` for a key that is no column of the table, or of a type that has no order.
    pub(crate) fn new(schema: &Schema, key: &[String]) -> Result<Self> {
        let refused = |message: String| Err(Error::invalid("key", message));
        if key.is_empty() {
            return refused("merging finds rows by a key: name its columns".to_owned());
        }
        let arrow = types::to_arrow(schema);
        let (mut fields, mut ids): (Vec<FieldRef>, Vec<i32>) = (Vec::new(), Vec::new());
        for name in key {
            let Some(field) = schema.as_struct().field_by_name(name) else {
                let columns: Vec<&str> = schema.as_struct().fields().iter().map(|field| field.name.as_str()).collect();
                return refused(format!("there is no column `{name}`: there are {}", columns.join(", ")));
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
        let sort = |field: &FieldRef| SortField::new(field.data_type().clone());
        let converter =
            |fields: Vec<SortField>| RowConverter::new(fields).map_err(|error| Error::internal(error.to_string()));
        Ok(Self {
            whole: converter(fields.iter().map(sort).collect())?,
            each: fields.iter().map(|field| converter(vec![sort(field)])).collect::<Result<_>>()?,
            bounds: vec![None; fields.len()],
            schema: Arc::new(ArrowSchema::new(fields)),
            ids,
            found: HashMap::new(),
            rows: 0,
            deletes: false,
            repeats: false,
        })
    }

    /// The key's columns, in the table's types.
    pub(crate) fn schema(&self) -> &ArrowSchemaRef {
        &self.schema
    }

    pub(crate) fn field_ids(&self) -> &[i32] {
        &self.ids
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether what was written differs from what the table is to get: a key came twice, or was deleted.
    pub(crate) fn is_settled(&self) -> bool {
        !self.repeats && !self.deletes
    }

    /// Takes note of rows in their order. `operations`: one per row; none = all are written.
    pub(crate) fn add(&mut self, batch: &RecordBatch, operations: Option<&[Operation]>) -> Result<()> {
        let columns = self.columns(batch)?;
        let rows = self.whole.convert_columns(&columns).map_err(|error| Error::internal(error.to_string()))?;
        self.widen(&columns)?;
        for index in 0..batch.num_rows() {
            let operation =
                operations.and_then(|operations| operations.get(index)).copied().unwrap_or(Operation::Write);
            let ordinal = self.rows;
            if operation == Operation::Write {
                self.rows += 1;
            } else {
                self.deletes = true;
            }
            if columns.iter().any(|column| column.is_null(index)) {
                continue;
            }
            let found = self.found.entry(rows.row(index).data().into()).or_insert(Found { last: None, count: 0 });
            match operation {
                Operation::Write => {
                    self.repeats |= found.count > 0;
                    found.count += 1;
                    found.last = Some(ordinal);
                }
                Operation::Delete => found.last = None,
            }
        }
        Ok(())
    }

    /// What is known of the key of each row of a batch.
    pub(crate) fn find(&self, batch: &RecordBatch) -> Result<Vec<Option<Found>>> {
        let columns = self.columns(batch)?;
        let rows = self.whole.convert_columns(&columns).map_err(|error| Error::internal(error.to_string()))?;
        Ok((0..batch.num_rows())
            .map(|index| {
                if columns.iter().any(|column| column.is_null(index)) {
                    return None;
                }
                self.found.get(rows.row(index).data()).copied()
            })
            .collect())
    }

    /// Whether a file may hold one of the keys, by its bounds.
    pub(crate) fn may_be_in(&self, file: &DataFile) -> bool {
        self.ids.iter().enumerate().all(|(index, id)| {
            let Some((smallest, largest)) = &self.bounds[index] else { return false };
            let encoded = |bound: Option<&iceberg::spec::Datum>| -> Option<Bytes> {
                let scalar = metrics::scalar(bound?, self.schema.field(index).data_type())?;
                let array = scalar.to_array().ok()?;
                Some(self.each[index].convert_columns(&[array]).ok()?.row(0).data().into())
            };
            let below = encoded(file.upper_bounds().get(id)).is_some_and(|upper| upper < *smallest);
            let above = encoded(file.lower_bounds().get(id)).is_some_and(|lower| lower > *largest);
            !below && !above
        })
    }

    fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        self.schema
            .fields()
            .iter()
            .map(|field| {
                let column = batch.column_by_name(field.name()).cloned();
                column.ok_or_else(|| Error::invalid("key", format!("the rows have no column `{}`", field.name())))
            })
            .collect()
    }

    fn widen(&mut self, columns: &[ArrayRef]) -> Result<()> {
        for (index, column) in columns.iter().enumerate() {
            let rows = self.each[index]
                .convert_columns(std::slice::from_ref(column))
                .map_err(|error| Error::internal(error.to_string()))?;
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
