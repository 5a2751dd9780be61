//! A file's columns as the table has them now.
//!
//! Iceberg finds columns by field id, on every level: a file keeps the names, the order and the types that its columns had
//! when it was written. What a file lacks is null. A type that is none of Iceberg's promotions of the file's is refused: a
//! value that is read wrongly is worse than none.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, TimeUnit};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// The field id that a field carries.
pub(crate) fn id_of(field: &Field) -> Option<i32> {
    field.metadata().get(PARQUET_FIELD_ID_META_KEY)?.parse().ok()
}

/// Where the field with this id is.
pub(crate) fn position(fields: &Fields, id: i32) -> Option<usize> {
    fields.iter().position(|field| id_of(field) == Some(id))
}

/// Whether any of the fields carries an id: files that were not written for Iceberg have none.
pub(crate) fn has_ids(fields: &Fields) -> bool {
    fields.iter().any(|field| id_of(field).is_some())
}

/// Gives top-level fields without ids those that a name mapping has for them.
pub(crate) fn named(fields: &Fields, ids: &HashMap<String, i32>) -> Fields {
    let with_id = |field: &FieldRef| match ids.get(field.name()) {
        Some(id) => {
            let id = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]);
            Arc::new(field.as_ref().clone().with_metadata(id))
        }
        None => Arc::clone(field),
    };
    fields.iter().map(with_id).collect()
}

/// Whether the file's field is the table's as it is, ids and order of nested fields included.
pub(crate) fn as_is(from: &Field, to: &Field) -> bool {
    let same = |from: &Fields, to: &Fields| {
        from.len() == to.len()
            && from
                .iter()
                .zip(to)
                .all(|(from, to)| id_of(from) == id_of(to) && from.name() == to.name() && as_is(from, to))
    };
    match (from.data_type(), to.data_type()) {
        (DataType::Struct(from), DataType::Struct(to)) => same(from, to),
        (DataType::List(from), DataType::List(to)) => id_of(from) == id_of(to) && as_is(from, to),
        (DataType::Map(from, _), DataType::Map(to, _)) => match (from.data_type(), to.data_type()) {
            (DataType::Struct(from), DataType::Struct(to)) => same(from, to),
            _ => false,
        },
        (from, to) => !from.is_nested() && from == to,
    }
}

/// Why a file's field cannot be read as the table's; none = it can.
pub(crate) fn refusal(from: &Field, to: &Field) -> Option<String> {
    let nested = |from: &Fields, to: &Fields| {
        to.iter().find_map(|to| match id_of(to).and_then(|id| position(from, id)) {
            Some(index) => refusal(&from[index], to),
            None if to.is_nullable() => None,
            None => Some(format!("`{}` is required and the file lacks it", to.name())),
        })
    };
    match (from.data_type(), to.data_type()) {
        (DataType::Struct(from), DataType::Struct(to)) => nested(from, to),
        (DataType::List(from) | DataType::LargeList(from), DataType::List(to)) => refusal(from, to),
        (DataType::Map(from, _), DataType::Map(to, _)) => match (from.data_type(), to.data_type()) {
            (DataType::Struct(from), DataType::Struct(to)) if from.len() == 2 => {
                from.iter().zip(to).find_map(|(from, to)| refusal(from, to))
            }
            _ => Some(format!("`{}` is no map in the file", to.name())),
        },
        (DataType::Dictionary(_, values), _) => refusal(&Field::new(from.name(), values.as_ref().clone(), true), to),
        (had, wanted) if promotes(had, wanted) => None,
        (had, wanted) => Some(format!("`{}` is {had} in the file and {wanted} in the table", to.name())),
    }
}

/// Whether values of a file's type are values of the table's: the same, another encoding of the same, or one of Iceberg's
/// promotions.
fn promotes(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Decimal32, Decimal64, Decimal128, FixedSizeBinary, Float16, Float32, Float64, Int8, Int16,
        Int32, Int64, LargeBinary, LargeUtf8, Time32, Time64, Timestamp, UInt8, UInt16, UInt32, Utf8, Utf8View,
    };
    match (from, to) {
        (from, to) if from == to && !from.is_nested() => true,
        (Int8 | Int16 | UInt8 | UInt16, Int32 | Int64)
        | (Int32 | UInt32, Int64)
        | (Float16 | Float32, Float64)
        | (Float16, Float32)
        | (LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView, Utf8)
        | (LargeBinary | BinaryView | FixedSizeBinary(_), Binary)
        | (Time32(_), Time64(TimeUnit::Microsecond)) => true,
        (Decimal32(had, scale) | Decimal64(had, scale) | Decimal128(had, scale), Decimal128(wanted, of)) => {
            scale == of && had <= wanted
        }
        // Nanoseconds come from INT96, in which times outside of 1677 to 2262 have no value in Arrow.
        (Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, _), Timestamp(TimeUnit::Microsecond, _)) => true,
        _ => false,
    }
}

/// The values of a file's field as the table's.
///
/// # Errors
/// For types that [`refusal`] refuses, and for nulls where the table wants none.
pub(crate) fn reshape(array: &ArrayRef, from: &Field, to: &Field) -> Result<ArrayRef, ArrowError> {
    if as_is(from, to) && array.data_type() == to.data_type() {
        return Ok(Arc::clone(array));
    }
    match (from.data_type(), to.data_type()) {
        (DataType::Struct(from), DataType::Struct(to)) => structure(array.as_struct(), from, to),
        (DataType::LargeList(element), DataType::List(_)) => {
            let plain = DataType::List(Arc::clone(element));
            reshape(&strict(array, &plain)?, &Field::new(from.name(), plain, true), to)
        }
        (DataType::List(from), DataType::List(to)) => {
            let list = array.as_list::<i32>();
            let values = reshape(list.values(), from, to)?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Ok(Arc::new(ListArray::try_new(Arc::clone(to), offsets, values, nulls)?))
        }
        (DataType::Map(had, _), DataType::Map(entry, ordered)) => {
            let map = array.as_map();
            let (DataType::Struct(had), DataType::Struct(wanted)) = (had.data_type(), entry.data_type()) else {
                return Err(ArrowError::SchemaError("a map's entries are structs".to_owned()));
            };
            let ([key, value], [to_key, to_value]) = (had.as_ref(), wanted.as_ref()) else {
                return Err(ArrowError::SchemaError("a map's entries have a key and a value".to_owned()));
            };
            let columns = vec![reshape(map.keys(), key, to_key)?, reshape(map.values(), value, to_value)?];
            let entries = StructArray::try_new(wanted.clone(), columns, None)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, nulls, *ordered)?))
        }
        (DataType::Dictionary(_, values), _) => {
            let plain = Field::new(from.name(), values.as_ref().clone(), true);
            reshape(&strict(array, values)?, &plain, to)
        }
        (had, wanted) if promotes(had, wanted) => strict(array, wanted),
        _ => Err(ArrowError::SchemaError(refusal(from, to).unwrap_or_else(|| format!("`{}`", to.name())))),
    }
}

fn structure(array: &StructArray, from: &Fields, to: &Fields) -> Result<ArrayRef, ArrowError> {
    let columns = to
        .iter()
        .map(|to| match id_of(to).and_then(|id| position(from, id)) {
            Some(index) => reshape(array.column(index), &from[index], to),
            None => Ok(new_null_array(to.data_type(), array.len())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(StructArray::try_new_with_length(to.clone(), columns, array.nulls().cloned(), array.len())?))
}

fn strict(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, wanted, &CastOptions { safe: false, ..CastOptions::default() })
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int32Array, Int64Array, StringArray};

    use super::*;

    fn field(id: i32, name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, true)
            .with_metadata(HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]))
    }

    fn structure_of(fields: Vec<Field>) -> DataType {
        DataType::Struct(fields.into())
    }

    #[test]
    fn nested_fields_are_found_by_id_whatever_they_are_called() {
        let had = vec![field(2, "x", DataType::Int32), field(3, "y", DataType::Utf8)];
        // `y` was renamed to `x`, `x` to `old` and widened, `z` is new.
        let wanted =
            vec![field(3, "x", DataType::Utf8), field(4, "z", DataType::Date32), field(2, "old", DataType::Int64)];
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int32Array::from(vec![7])), Arc::new(StringArray::from(vec!["seven"]))];
        let array: ArrayRef = Arc::new(StructArray::try_new(had.clone().into(), columns, None).unwrap());
        let (from, to) = (field(1, "s", structure_of(had)), field(1, "s", structure_of(wanted)));
        let read = reshape(&array, &from, &to).unwrap();
        let read = read.as_struct();
        assert_eq!(read.column(0).as_ref(), &StringArray::from(vec!["seven"]) as &dyn Array);
        assert_eq!(read.column(1).null_count(), 1);
        assert_eq!(read.column(2).as_ref(), &Int64Array::from(vec![7]) as &dyn Array);
    }

    #[test]
    fn a_type_that_is_no_promotion_is_refused() {
        let refused = [
            (DataType::Int64, DataType::Int32),
            (DataType::Utf8, DataType::Int32),
            (DataType::Timestamp(TimeUnit::Nanosecond, None), DataType::Timestamp(TimeUnit::Microsecond, None)),
            (DataType::Decimal128(10, 2), DataType::Decimal128(10, 3)),
            (DataType::Decimal128(12, 2), DataType::Decimal128(10, 2)),
        ];
        for (had, wanted) in refused {
            assert!(refusal(&field(1, "a", had.clone()), &field(1, "a", wanted.clone())).is_some(), "{had} {wanted}");
        }
        assert!(refusal(&field(1, "a", DataType::Int32), &field(1, "b", DataType::Int64)).is_none());
    }
}
