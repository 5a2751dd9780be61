//! Rows brought to a table's schema: columns by name, values cast, what is missing filled with nulls.
//!
//! A value that does not fit is an error, never a null: rows that lose a value silently are worse than a sync that stops.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, FixedSizeBinaryArray, ListArray, MapArray, RecordBatch, StringArray, StructArray,
    new_empty_array, new_null_array,
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, SchemaRef};
use asgard_contract::{Error, Result};
use datafusion::arrow::buffer::OffsetBuffer;

type Cast<T> = std::result::Result<T, ArrowError>;

/// Brings batches of any schema to one target schema.
#[derive(Debug, Clone)]
pub(crate) struct Caster {
    target: SchemaRef,
}

impl Caster {
    pub(crate) fn new(target: SchemaRef) -> Self {
        Self { target }
    }

    /// # Errors
    /// `invalid-input` that names the column and the value. Columns that the target does not have are left out.
    pub(crate) fn cast(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = batch.schema_ref();
        if *schema == self.target {
            return Ok(batch.clone());
        }
        let mut columns = Vec::with_capacity(self.target.fields().len());
        for field in self.target.fields() {
            let column = match schema.index_of(field.name()) {
                Ok(index) => bring(batch.column(index), field).map_err(|error| refused(field, &error))?,
                Err(_) => new_null_array(field.data_type(), batch.num_rows()),
            };
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(Error::InvalidInput {
                    field: None,
                    message: format!("column `{}` has nulls and must not: it is declared as required", field.name()),
                });
            }
            columns.push(column);
        }
        RecordBatch::try_new(Arc::clone(&self.target), columns).map_err(|error| Error::InvalidInput {
            field: None,
            message: format!("the rows do not fit the table: {error}"),
        })
    }
}

/// What stands in a column of `rows` rows until its values are known: nulls, or something empty where there must be values.
///
/// # Errors
/// `unsupported` for a required column of a type that has nothing empty.
pub(crate) fn placeholder(field: &Field, rows: usize) -> Result<ArrayRef> {
    if field.is_nullable() {
        return Ok(new_null_array(field.data_type(), rows));
    }
    Ok(match field.data_type() {
        DataType::Utf8 => Arc::new(StringArray::from_iter_values(std::iter::repeat_n("", rows))),
        DataType::Binary => Arc::new(BinaryArray::from_iter_values(std::iter::repeat_n(b"", rows))),
        DataType::List(element) => Arc::new(ListArray::new(
            Arc::clone(element),
            OffsetBuffer::new_zeroed(rows),
            new_empty_array(element.data_type()),
            None,
        )),
        other => {
            return Err(Error::unsupported(format!(
                "column `{}` is {other} and required: its value cannot be kept through an update",
                field.name()
            )));
        }
    })
}

fn refused(field: &Field, error: &ArrowError) -> Error {
    let reason = match error {
        ArrowError::CastError(message) | ArrowError::InvalidArgumentError(message) => message.clone(),
        other => other.to_string(),
    };
    Error::InvalidInput {
        field: None,
        message: format!("column `{}` has a value that does not fit: {reason}", field.name()),
    }
}

fn bring(array: &ArrayRef, target: &FieldRef) -> Cast<ArrayRef> {
    if array.data_type() == target.data_type() {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), target.data_type()) {
        (DataType::Struct(_), DataType::Struct(fields)) => structure(array.as_struct(), fields),
        (DataType::List(_), DataType::List(element)) => {
            let list = array.as_list::<i32>();
            let values = bring(list.values(), element)?;
            Ok(Arc::new(ListArray::try_new(
                Arc::clone(element),
                list.offsets().clone(),
                values,
                list.nulls().cloned(),
            )?))
        }
        // Other forms of lists become plain ones first, with their own elements.
        (
            DataType::LargeList(element)
            | DataType::ListView(element)
            | DataType::LargeListView(element)
            | DataType::FixedSizeList(element, _),
            DataType::List(_),
        ) => bring(&strict(array, &DataType::List(Arc::clone(element)))?, target),
        (DataType::Map(_, _), DataType::Map(entry, ordered)) => {
            let map = array.as_map();
            let DataType::Struct(fields) = entry.data_type() else {
                return Err(ArrowError::SchemaError("a map's entries are structs".to_owned()));
            };
            let [key, value] = fields.as_ref() else {
                return Err(ArrowError::SchemaError("a map's entries have a key and a value".to_owned()));
            };
            let columns = vec![bring(map.keys(), key)?, bring(map.values(), value)?];
            let entries = StructArray::try_new(fields.clone(), columns, None)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, nulls, *ordered)?))
        }
        (DataType::Dictionary(_, values), _) => bring(&strict(array, values)?, target),
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, DataType::FixedSizeBinary(16)) => uuids(array),
        (DataType::Int64, DataType::Float64) => exact(array),
        (_, wanted) => strict(array, wanted),
    }
}

/// Whole numbers as floats: beyond 2^53 not all of them are one.
fn exact(array: &ArrayRef) -> Cast<ArrayRef> {
    let floats = array.as_primitive::<Int64Type>().try_unary::<_, Float64Type, _>(|number| {
        let float = number as f64;
        // The largest numbers round up to 2^63, which becomes the largest number again.
        if float as i64 == number && number != i64::MAX {
            Ok(float)
        } else {
            Err(ArrowError::CastError(format!("{number} is no number of type double")))
        }
    })?;
    Ok(Arc::new(floats))
}

fn strict(array: &ArrayRef, wanted: &DataType) -> Cast<ArrayRef> {
    cast_with_options(array, wanted, &CastOptions { safe: false, ..CastOptions::default() })
}

fn structure(array: &StructArray, fields: &Fields) -> Cast<ArrayRef> {
    let columns = fields
        .iter()
        .map(|field| match array.column_by_name(field.name()) {
            Some(column) => bring(column, field),
            None => Ok(new_null_array(field.data_type(), array.len())),
        })
        .collect::<Cast<Vec<_>>>()?;
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, array.nulls().cloned(), array.len())?))
}

/// UUIDs that came as text.
fn uuids(array: &ArrayRef) -> Cast<ArrayRef> {
    let text = strict(array, &DataType::Utf8)?;
    let values = text
        .as_string::<i32>()
        .iter()
        .map(|value| {
            value
                .map(|value| {
                    uuid::Uuid::parse_str(value)
                        .map(uuid::Uuid::into_bytes)
                        .map_err(|error| ArrowError::CastError(format!("`{value}` is no UUID: {error}")))
                })
                .transpose()
        })
        .collect::<Cast<Vec<_>>>()?;
    Ok(Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.into_iter(), 16)?))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int32Array, Int64Array, StringArray, UInt64Array};
    use arrow_schema::Schema;

    use super::*;

    fn target(fields: Vec<Field>) -> Caster {
        Caster::new(Arc::new(Schema::new(fields)))
    }

    #[test]
    fn a_whole_number_that_no_float_is_does_not_fit() {
        let cast = target(vec![Field::new("n", DataType::Float64, true)]);
        let of = |number: i64| {
            let column = Arc::new(Int64Array::from(vec![Some(number), None])) as ArrayRef;
            cast.cast(&RecordBatch::try_from_iter([("n", column)]).unwrap())
        };
        assert!(of(1 << 53).is_ok() && of(i64::MIN).is_ok());
        for number in [(1 << 53) + 1, i64::MAX, -9_007_199_254_740_993] {
            let error = of(number).unwrap_err().to_string();
            assert!(error.contains("`n`") && error.contains(&number.to_string()), "{error}");
        }
    }

    #[test]
    fn columns_are_found_by_name_and_widened() {
        let batch = RecordBatch::try_from_iter([
            ("b", Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
            ("a", Arc::new(Int32Array::from(vec![7])) as ArrayRef),
        ])
        .unwrap();
        let cast = target(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("b", DataType::Utf8, true),
            Field::new("c", DataType::Date32, true),
        ])
        .cast(&batch)
        .unwrap();
        assert_eq!(cast.column(0).as_ref(), &Int64Array::from(vec![7]) as &dyn Array);
        assert_eq!(cast.column(2).null_count(), 1);
    }

    #[test]
    fn a_value_that_does_not_fit_is_an_error_with_the_column() {
        let batch =
            RecordBatch::try_from_iter([("n", Arc::new(UInt64Array::from(vec![u64::MAX])) as ArrayRef)]).unwrap();
        let error = target(vec![Field::new("n", DataType::Int64, true)]).cast(&batch).unwrap_err().to_string();
        assert!(error.contains("`n`"), "{error}");
    }

    #[test]
    fn a_missing_required_column_is_an_error() {
        let batch = RecordBatch::try_from_iter([("a", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]).unwrap();
        let error = target(vec![Field::new("b", DataType::Int32, false)]).cast(&batch).unwrap_err().to_string();
        assert!(error.contains("`b`"), "{error}");
    }

    #[test]
    fn uuids_may_come_as_text() {
        let text = "6fa459ea-ee8a-3ca4-894e-db77e160355e";
        let batch = RecordBatch::try_from_iter([("u", Arc::new(StringArray::from(vec![text])) as ArrayRef)]).unwrap();
        let caster = target(vec![Field::new("u", DataType::FixedSizeBinary(16), true)]);
        let cast = caster.cast(&batch).unwrap();
        let bytes = cast.column(0).as_fixed_size_binary().value(0);
        assert_eq!(uuid::Uuid::from_slice(bytes).unwrap().to_string(), text);
        let bad = RecordBatch::try_from_iter([("u", Arc::new(StringArray::from(vec!["no"])) as ArrayRef)]).unwrap();
        assert!(caster.cast(&bad).is_err());
    }
}
