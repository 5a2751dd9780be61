//! Functions of maps. A map has no key twice and none that is null: what would make one so fails, except where the later of two
//! maps wins.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, MapArray, MapBuilder, MapFieldNames, StringBuilder, StructArray,
    UInt32Array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{cast, concat, take};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;

use super::{lists, type_word};

/// The types of a map's keys and values.
pub(in crate::engine) fn parts(map: &DataType) -> Result<(DataType, DataType)> {
    if let DataType::Map(entries, _) = map
        && let DataType::Struct(fields) = entries.data_type()
        && let [key, value] = fields.as_ref()
    {
        return Ok((key.data_type().clone(), value.data_type().clone()));
    }
    plan_err!("expected a map, not {}", type_word(map))
}

fn entry_fields(key: &DataType, value: &DataType) -> Fields {
    Fields::from(vec![Field::new("key", key.clone(), false), Field::new("value", value.clone(), true)])
}

pub(in crate::engine) fn map_of(key: &DataType, value: &DataType) -> DataType {
    let entries = DataType::Struct(entry_fields(key, value));
    DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
}

/// Rows that are equal where the values are; of one type.
pub(in crate::engine) fn same_rows(left: &ArrayRef, right: &ArrayRef) -> Result<(Rows, Rows)> {
    let converter = RowConverter::new(vec![SortField::new(left.data_type().clone())])?;
    let rows = |array: &ArrayRef| converter.convert_columns(std::slice::from_ref(array));
    Ok((rows(left)?, rows(right)?))
}

/// Maps of keys and values in a row.
///
/// # Errors
/// For a key that is null, or that a map has twice.
pub(in crate::engine) fn made(
    keys: ArrayRef,
    values: ArrayRef,
    lengths: Vec<usize>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    if keys.null_count() > 0 {
        return exec_err!("a key of a map cannot be null");
    }
    if !keys.is_empty() {
        let (rows, _) = same_rows(&keys, &keys.slice(0, 0))?;
        let mut start = 0;
        for length in &lengths {
            let mut seen = std::collections::HashSet::with_capacity(*length);
            for index in start..start + length {
                if !seen.insert(rows.row(index)) {
                    return exec_err!("a map cannot have a key twice");
                }
            }
            start += length;
        }
    }
    let fields = entry_fields(keys.data_type(), values.data_type());
    let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let field = Arc::new(Field::new("entries", DataType::Struct(fields), false));
    Ok(Arc::new(MapArray::try_new(field, OffsetBuffer::from_lengths(lengths), entries, nulls, false)?))
}

/// The type that values of these types have together.
pub(in crate::engine) fn common<'a>(types: impl IntoIterator<Item = &'a DataType>) -> Result<DataType> {
    let known: Vec<DataType> = types.into_iter().filter(|data_type| !data_type.is_null()).cloned().collect();
    let Some(first) = known.first() else { return Ok(DataType::Null) };
    if known.iter().all(|other| other == first) {
        return Ok(first.clone());
    }
    let is_text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_moment = |data_type: &DataType| matches!(data_type, DataType::Date32 | DataType::Timestamp(..));
    let alike = known.iter().all(DataType::is_numeric)
        || known.iter().all(is_text)
        || known.iter().all(is_moment)
        || known.iter().all(DataType::is_nested);
    match type_union_resolution(&known).filter(|_| alike) {
        Some(common) => Ok(common),
        None => plan_err!("{} and {} have no type together", type_word(first), type_word(&known[known.len() - 1])),
    }
}

/// `map(key, value, key, value, …)`.
pub(in crate::engine) fn of_pairs_type(arguments: &[DataType]) -> Result<DataType> {
    if arguments.len() % 2 == 1 {
        return plan_err!("`map` takes keys and values in turn, not {} arguments", arguments.len());
    }
    Ok(map_of(&common(arguments.iter().step_by(2))?, &common(arguments.iter().skip(1).step_by(2))?))
}

pub(in crate::engine) fn of_pairs(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let (key, value) = parts(to)?;
    let rows = arguments.first().map_or(1, |first| first.len());
    let pairs = arguments.len() / 2;
    let in_turn = |from: usize, data_type: &DataType| -> Result<ArrayRef> {
        let columns = arguments.iter().skip(from).step_by(2).map(|column| cast(column, data_type));
        let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
        if columns.is_empty() {
            return Ok(datafusion::arrow::array::new_empty_array(data_type));
        }
        let all = concat(&columns.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
        let places = (0..rows).flat_map(|row| (0..pairs).map(move |pair| pair * rows + row)).map(lists::narrow);
        Ok(take(&all, &UInt32Array::from_iter_values(places), None)?)
    };
    made(in_turn(0, &key)?, in_turn(1, &value)?, vec![pairs; rows], None)
}

/// `map(list of keys, list of values)`; no arguments make an empty one.
pub(in crate::engine) fn of_lists_type(arguments: &[DataType]) -> Result<DataType> {
    match arguments {
        [] => Ok(map_of(&DataType::Null, &DataType::Null)),
        [DataType::List(keys), DataType::List(values)] => Ok(map_of(keys.data_type(), values.data_type())),
        _ => plan_err!("`map` takes a list of keys and a list of values"),
    }
}

pub(in crate::engine) fn of_lists(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let [keys, values] = arguments else {
        let (key, value) = parts(to)?;
        let empty = datafusion::arrow::array::new_empty_array;
        return made(empty(&key), empty(&value), vec![0], None);
    };
    let (keys, values) = (keys.as_list::<i32>(), values.as_list::<i32>());
    let (mut key_places, mut value_places) = (Vec::new(), Vec::new());
    let (mut lengths, mut known) = (Vec::new(), Vec::new());
    for row in 0..keys.len() {
        let valid = keys.is_valid(row) && values.is_valid(row);
        known.push(valid);
        let ((key, length), (value, other)) = (lists::bounds(keys, row), lists::bounds(values, row));
        if valid && length != other {
            return exec_err!("a map of {length} keys cannot have {other} values");
        }
        let length = if valid { length } else { 0 };
        lengths.push(length);
        key_places.extend((key..key + length).map(lists::narrow));
        value_places.extend((value..value + length).map(lists::narrow));
    }
    let keys = take(keys.values(), &UInt32Array::from(key_places), None)?;
    made(keys, take(values.values(), &UInt32Array::from(value_places), None)?, lengths, Some(known.into()))
}

pub(in crate::engine) fn bounds(maps: &MapArray, row: usize) -> (usize, usize) {
    if maps.is_null(row) {
        return (0, 0);
    }
    let start = usize::try_from(maps.value_offsets()[row]).unwrap_or_default();
    (start, usize::try_from(maps.value_length(row)).unwrap_or_default())
}

/// Several maps as one: their common type.
pub(in crate::engine) fn together_type(arguments: &[DataType]) -> Result<DataType> {
    let parts = arguments.iter().filter(|argument| !argument.is_null()).map(parts).collect::<Result<Vec<_>>>()?;
    Ok(map_of(&common(parts.iter().map(|(key, _)| key))?, &common(parts.iter().map(|(_, value)| value))?))
}

/// `map_concat` of Spark: no key may come twice.
pub(in crate::engine) fn together(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    joined(arguments, to, false)
}

/// `map_concat` of Trino: of a key that comes twice, the last value.
pub(in crate::engine) fn together_last(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    joined(arguments, to, true)
}

fn joined(arguments: &[ArrayRef], to: &DataType, last_wins: bool) -> Result<ArrayRef> {
    let Some(first) = arguments.first() else { return of_pairs(arguments, to) };
    let arguments = arguments.iter().map(|map| cast(map, to)).collect::<std::result::Result<Vec<_>, _>>()?;
    let maps: Vec<&MapArray> = arguments.iter().map(|map| map.as_map()).collect();
    let keys = concat(&maps.iter().map(|map| map.keys().as_ref()).collect::<Vec<_>>())?;
    let values = concat(&maps.iter().map(|map| map.values().as_ref()).collect::<Vec<_>>())?;
    let (equal, _) = same_rows(&keys, &keys.slice(0, 0))?;
    let (mut key_places, mut value_places) = (Vec::<u32>::new(), Vec::<u32>::new());
    let (mut lengths, mut known) = (Vec::new(), Vec::new());
    for row in 0..first.len() {
        let valid = maps.iter().all(|map| map.is_valid(row));
        known.push(valid);
        let (from, mut before) = (key_places.len(), 0);
        for map in maps.iter().filter(|_| valid) {
            let (start, length) = bounds(map, row);
            for place in (before + start..before + start + length).map(lists::narrow) {
                let same = |known: &u32| equal.row(*known as usize) == equal.row(place as usize);
                match key_places[from..].iter().position(same).filter(|_| last_wins) {
                    Some(index) => value_places[from + index] = place,
                    None => {
                        key_places.push(place);
                        value_places.push(place);
                    }
                }
            }
            before += map.keys().len();
        }
        lengths.push(key_places.len() - from);
    }
    let keys = take(&keys, &UInt32Array::from(key_places), None)?;
    made(keys, take(&values, &UInt32Array::from(value_places), None)?, lengths, Some(known.into()))
}

/// Whether a map has a key.
pub(in crate::engine) fn has_key(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let maps = arguments[0].as_map();
    let wanted = cast(&arguments[1], maps.keys().data_type())?;
    let (keys, wanted_rows) = same_rows(maps.keys(), &wanted)?;
    let found: BooleanArray = (0..maps.len())
        .map(|row| {
            let (start, length) = bounds(maps, row);
            (maps.is_valid(row) && wanted.is_valid(row))
                .then(|| (start..start + length).any(|place| keys.row(place) == wanted_rows.row(row)))
        })
        .collect();
    Ok(Arc::new(found))
}

/// A map's entries, as a list of structs.
pub(in crate::engine) fn entries_type(arguments: &[DataType]) -> Result<DataType> {
    match arguments {
        [map] => parts(map).map(|(key, value)| DataType::new_list(DataType::Struct(entry_fields(&key, &value)), true)),
        _ => plan_err!("expected a map"),
    }
}

/// What a field of a row without names is called here, where every field has a name. No column is of such rows.
pub(in crate::engine) fn unnamed(position: usize) -> String {
    format!("$field{position}")
}

/// Likewise, of rows without names.
pub(in crate::engine) fn unnamed_entries_type(arguments: &[DataType]) -> Result<DataType> {
    match arguments {
        [map] => parts(map).map(|(key, value)| {
            let fields = vec![Field::new(unnamed(0), key, false), Field::new(unnamed(1), value, true)];
            DataType::new_list(DataType::Struct(fields.into()), true)
        }),
        _ => plan_err!("expected a map"),
    }
}

pub(in crate::engine) fn entries(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let maps = arguments[0].as_map();
    let DataType::List(item) = to else { return plan_err!("expected a list") };
    let DataType::Struct(fields) = item.data_type() else { return plan_err!("expected a list of rows") };
    let entries: ArrayRef = Arc::new(StructArray::try_new(
        fields.clone(),
        maps.entries().columns().to_vec(),
        maps.entries().nulls().cloned(),
    )?);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), maps.offsets().clone(), entries, maps.nulls().cloned())?))
}

/// A map of a list of pairs.
pub(in crate::engine) fn of_entries_type(arguments: &[DataType]) -> Result<DataType> {
    if let [DataType::List(item)] = arguments
        && let DataType::Struct(fields) = item.data_type()
        && let [key, value] = fields.as_ref()
    {
        return Ok(map_of(key.data_type(), value.data_type()));
    }
    plan_err!("`map_from_entries` takes a list of pairs")
}

pub(in crate::engine) fn of_entries(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let pairs = arguments[0].as_list::<i32>();
    let (mut places, mut lengths) = (Vec::new(), Vec::new());
    for row in 0..pairs.len() {
        let (start, length) = lists::bounds(pairs, row);
        lengths.push(length);
        places.extend((start..start + length).map(lists::narrow));
    }
    let taken = take(pairs.values(), &UInt32Array::from(places), None)?;
    let taken = taken.as_struct();
    if taken.null_count() > 0 {
        return exec_err!("an entry of a map cannot be null");
    }
    made(Arc::clone(taken.column(0)), Arc::clone(taken.column(1)), lengths, pairs.nulls().cloned())
}

/// `split_to_map(text, between entries, between key and value)`.
pub(in crate::engine) fn split(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let [texts, between, within] = arguments else { return exec_err!("`split_to_map` takes three texts") };
    let (texts, between, within) = (texts.as_string::<i32>(), between.as_string::<i32>(), within.as_string::<i32>());
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in 0..texts.len() {
        if texts.is_null(row) || between.is_null(row) || within.is_null(row) {
            maps.append(false)?;
            continue;
        }
        let (between, within) = (between.value(row), within.value(row));
        if between.is_empty() || within.is_empty() || between == within {
            return exec_err!("`split_to_map` takes two different separators that are not empty");
        }
        let mut seen = std::collections::HashSet::new();
        for entry in texts.value(row).split(between).filter(|_| !texts.value(row).is_empty()) {
            let Some((key, value)) = entry.split_once(within).filter(|(_, value)| !value.contains(within)) else {
                return exec_err!("'{entry}' is no key and value with '{within}' between them");
            };
            if !seen.insert(key) {
                return exec_err!("a map cannot have a key twice: '{key}'");
            }
            maps.keys().append_value(key);
            maps.values().append_value(value);
        }
        maps.append(true)?;
    }
    Ok(Arc::new(maps.finish()))
}
