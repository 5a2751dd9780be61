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

use super::{evolution, metrics};
use crate::types;

/// A key, encoded so that bytes compare as values do.
pub(crate) type Bytes = Box<[u8]>;

/// What happens to the row of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Write,
    Delete,
}

/// What the rows of a write say about one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// The last row with this key, counted over all written rows as they came: files that are looked through for it must be in
    /// that order too. None = the last word was to delete it.
    pub(crate) last: Option<u64>,
    /// Rows written with it.
    pub(crate) count: u32,
}

/// Where the value is that an update left alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// In a row of this write.
    Written(u64),
    /// In the table's row with this key.
    Table(Bytes),
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
    found: HashMap<Bytes, Found>,
    /// Of keys whose last row lacks values: the columns, and where their values are.
    partial: HashMap<Bytes, Vec<(i32, Origin)>>,
    rows: u64,
    deletes: bool,
    repeats: bool,
    /// Nothing in the table counts any more.
    emptied: bool,
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
            partial: HashMap::new(),
            rows: 0,
            deletes: false,
            repeats: false,
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
    /// Those of [`Keys::new`].
    pub(crate) fn evolved(self, schema: &Schema, key: &[String]) -> Result<Self> {
        let mut keys = Self::new(schema, key)?;
        keys.emptied = self.emptied;
        if keys.schema.fields().iter().map(|field| field.data_type()).eq(self
            .schema
            .fields()
            .iter()
            .map(|f| f.data_type()))
        {
            return Ok(Self { schema: keys.schema, ..self });
        }
        let caster = types::Caster::new(Arc::clone(&keys.schema));
        let anew = |old: &Bytes| -> Result<(Bytes, Vec<ArrayRef>)> {
            let failed = |error: arrow_schema::ArrowError| Error::internal(error.to_string());
            let parser = self.whole.parser();
            let columns = self.whole.convert_rows([parser.parse(old)]).map_err(failed)?;
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(failed)?;
            let columns = caster.cast(&batch)?.columns().to_vec();
            Ok((keys.whole.convert_columns(&columns).map_err(failed)?.row(0).data().into(), columns))
        };
        let mut found = HashMap::with_capacity(self.found.len());
        let mut all = Vec::new();
        for (old, what) in &self.found {
            let (key, columns) = anew(old)?;
            found.insert(key, *what);
            all.push(columns);
        }
        let mut partial = HashMap::with_capacity(self.partial.len());
        for (old, origins) in &self.partial {
            let origins = origins.iter().map(|(column, origin)| {
                Ok((
                    *column,
                    match origin {
                        Origin::Written(row) => Origin::Written(*row),
                        Origin::Table(key) => Origin::Table(anew(key)?.0),
                    },
                ))
            });
            partial.insert(anew(old)?.0, origins.collect::<Result<Vec<_>>>()?);
        }
        (keys.found, keys.partial) = (found, partial);
        (keys.rows, keys.deletes, keys.repeats) = (self.rows, self.deletes, self.repeats);
        for columns in all {
            keys.widen(&columns)?;
        }
        Ok(keys)
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

    /// Some rows lack values that have to be found.
    pub(crate) fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    /// What the last row of each key lacks, and where it is.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &(i32, Origin)> {
        self.partial.values().flatten()
    }

    /// What the last row of a key lacks.
    pub(crate) fn lacking(&self, key: &[u8]) -> &[(i32, Origin)] {
        self.partial.get(key).map_or(&[], Vec::as_slice)
    }

    /// Takes note of rows in their order.
    pub(crate) fn add(&mut self, batch: &RecordBatch, changes: Changes<'_>) -> Result<()> {
        let (columns, keys) = self.encoded(batch)?;
        self.widen(&columns)?;
        let previous = match changes.previous {
            Some(previous) => {
                let (columns, keys) = self.encoded(previous)?;
                self.widen(&columns)?;
                Some(keys)
            }
            None => None,
        };
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
            let before =
                previous.as_ref().and_then(|keys| keys.get(index).cloned().flatten()).filter(|before| *before != key);
            let origins = match operation {
                Operation::Write => self.origins_of(before.as_ref().unwrap_or(&key), changes.kept),
                Operation::Delete => Vec::new(),
            };
            if let Some(before) = before {
                self.deletes = true;
                self.partial.remove(&before);
                self.found.entry(before).or_insert(Found { last: None, count: 0 }).last = None;
            }
            if origins.is_empty() {
                self.partial.remove(&key);
            } else {
                self.partial.insert(key.clone(), origins);
            }
            let found = self.found.entry(key).or_insert(Found { last: None, count: 0 });
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

    /// Where the values of columns are that the row of a key has now.
    fn origins_of(&self, key: &Bytes, columns: &[i32]) -> Vec<(i32, Origin)> {
        let of = |column: &i32| match self.found.get(key) {
            Some(Found { last: Some(row), .. }) => {
                let inherited = self.lacking(key).iter().find(|(lacking, _)| lacking == column);
                Some((*column, inherited.map_or(Origin::Written(*row), |(_, origin)| origin.clone())))
            }
            // The row was deleted: there is no value.
            Some(Found { last: None, .. }) => None,
            None if self.emptied => None,
            None => Some((*column, Origin::Table(key.clone()))),
        };
        columns.iter().filter_map(of).collect()
    }

    /// The key of each row of a batch; none for one with a null in it.
    pub(crate) fn of(&self, batch: &RecordBatch) -> Result<Vec<Option<Bytes>>> {
        self.encoded(batch).map(|(_, keys)| keys)
    }

    fn encoded(&self, batch: &RecordBatch) -> Result<(Vec<ArrayRef>, Vec<Option<Bytes>>)> {
        let columns = self.columns(batch)?;
        let rows = self.whole.convert_columns(&columns).map_err(|error| Error::internal(error.to_string()))?;
        let key = |index: usize| {
            let has_null = columns.iter().any(|column| column.is_null(index));
            (!has_null).then(|| Bytes::from(rows.row(index).data()))
        };
        let keys = (0..batch.num_rows()).map(key).collect();
        Ok((columns, keys))
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
            // NaN is above all numbers here, and outside of a file's bounds: a file of other numbers may hold it.
            if self.schema.field(index).data_type().is_floating() {
                return true;
            }
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
