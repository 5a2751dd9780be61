//! Functions of lists.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, Scalar, StringArray, UInt32Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::kernels::cmp::eq;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, plan_err};

use super::{Kind, type_word};

/// How many elements, in the result's type.
pub(in crate::engine) fn size(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let lists = arguments[0].as_list::<i32>();
    let sizes: Int64Array =
        (0..lists.len()).map(|row| lists.is_valid(row).then(|| i64::from(lists.value_length(row)))).collect();
    let sizes: ArrayRef = Arc::new(sizes);
    Ok(cast(&sizes, to)?)
}

/// The type of a list's elements.
pub(in crate::engine) fn element_type(arguments: &[DataType]) -> Result<DataType> {
    match arguments.first() {
        Some(DataType::List(item)) => Ok(item.data_type().clone()),
        _ => plan_err!("expected a list"),
    }
}

/// The type of what `value[index]` gives.
pub(in crate::engine) fn subscript_type(arguments: &[DataType]) -> Result<DataType> {
    match arguments.first() {
        Some(DataType::Map(entries, _)) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => Ok(fields[1].data_type().clone()),
            _ => plan_err!("expected a map"),
        },
        Some(other) => element_type(&[list_of(other)?]),
        None => plan_err!("expected a list"),
    }
}

/// A list of any width as the functions here take it.
fn list_of(given: &DataType) -> Result<DataType> {
    match Kind::List.arrives(given) {
        Some(list) => Ok(list),
        None => plan_err!("`[…]` takes a list or a map, not {}", type_word(given)),
    }
}

/// `list[index]` and `map[key]` of Spark: lists are counted from 0, and there is an element or an error; a key that is not there gives
/// null.
pub(in crate::engine) fn spark_subscript(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    match arguments[0].data_type() {
        DataType::Map(..) => value_of_key(arguments, false),
        _ => counted(arguments, 0),
    }
}

/// `list[index]` and `map[key]` of Trino: lists are counted from 1, and there is an element or an error; likewise a key.
pub(in crate::engine) fn trino_subscript(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    match arguments[0].data_type() {
        DataType::Map(..) => value_of_key(arguments, true),
        _ => counted(arguments, 1),
    }
}

fn counted(arguments: &[ArrayRef], first: i64) -> Result<ArrayRef> {
    let lists = cast(&arguments[0], &list_of(arguments[0].data_type())?)?;
    let indexes = cast(&arguments[1], &DataType::Int64)?;
    taken(lists.as_list(), indexes.as_primitive(), |index, length| {
        if (first..length + first).contains(&index) {
            return Ok(Some(index - first));
        }
        exec_err!("there is no element {index} in a list of {length}, counted from {first}")
    })
}

/// An element of each list: `place` finds it from the index and the list's length; none = null, as where either is null.
fn taken(lists: &ListArray, indexes: &Int64Array, place: impl Fn(i64, i64) -> Result<Option<i64>>) -> Result<ArrayRef> {
    let mut taken = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        if lists.is_null(row) || indexes.is_null(row) {
            taken.push(None);
            continue;
        }
        let (start, length) = (i64::from(lists.value_offsets()[row]), i64::from(lists.value_length(row)));
        let place = place(indexes.value(row), length)?;
        taken.push(place.and_then(|place| u32::try_from(start + place).ok()));
    }
    Ok(take(lists.values(), &UInt32Array::from(taken), None)?)
}

fn value_of_key(arguments: &[ArrayRef], must_be_there: bool) -> Result<ArrayRef> {
    let maps = arguments[0].as_map();
    let keys = cast(&arguments[1], maps.keys().data_type())?;
    let mut taken = Vec::with_capacity(maps.len());
    for row in 0..maps.len() {
        if maps.is_null(row) || keys.is_null(row) {
            taken.push(None);
            continue;
        }
        let start = usize::try_from(maps.value_offsets()[row]).unwrap_or_default();
        let length = usize::try_from(maps.value_length(row)).unwrap_or_default();
        let same = eq(&maps.keys().slice(start, length), &Scalar::new(keys.slice(row, 1)))?;
        let found = (0..length).find(|&index| same.is_valid(index) && same.value(index));
        if found.is_none() && must_be_there {
            return exec_err!("the map has no such key: use element_at, which gives null");
        }
        taken.push(found.and_then(|index| u32::try_from(start + index).ok()));
    }
    Ok(take(maps.values(), &UInt32Array::from(taken), None)?)
}

/// A list, or a text, from its end.
pub(in crate::engine) fn reversed(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let Some(lists) = arguments[0].as_list_opt::<i32>() else {
        let texts = arguments[0].as_string::<i32>();
        let reversed: StringArray =
            texts.iter().map(|text| text.map(|text| text.chars().rev().collect::<String>())).collect();
        return Ok(Arc::new(reversed));
    };
    let mut taken = Vec::with_capacity(lists.values().len());
    let mut lengths = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let (start, length) = (lists.value_offsets()[row], lists.value_length(row));
        let length = if lists.is_null(row) { 0 } else { length };
        lengths.push(usize::try_from(length).unwrap_or_default());
        taken.extend((start..start + length).rev().map(|index| u32::try_from(index).unwrap_or_default()));
    }
    let values = take(lists.values(), &UInt32Array::from(taken), None)?;
    let DataType::List(item) = arguments[0].data_type() else { return plan_err!("expected a list") };
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, lists.nulls().cloned())?))
}

/// A list, or a text.
pub(in crate::engine) fn list_or_text(arguments: &[DataType]) -> Result<DataType> {
    match arguments.first() {
        Some(list @ DataType::List(_)) => Ok(list.clone()),
        Some(DataType::Utf8 | DataType::Null) => Ok(DataType::Utf8),
        Some(other) => plan_err!("expected text or a list, not {}", type_word(other)),
        None => plan_err!("expected text or a list"),
    }
}

/// `element_at(list, index)`: from 1, or from -1 at the end; null beyond it. `element_at(map, key)`: null without the key.
pub(in crate::engine) fn element(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    element_of(arguments, false)
}

/// `element_at` of Spark: beyond the end of a list it fails.
pub(in crate::engine) fn spark_element(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    element_of(arguments, true)
}

fn element_of(arguments: &[ArrayRef], must_be_there: bool) -> Result<ArrayRef> {
    if matches!(arguments[0].data_type(), DataType::Map(..)) {
        return value_of_key(arguments, false);
    }
    let lists = cast(&arguments[0], &list_of(arguments[0].data_type())?)?;
    let indexes = cast(&arguments[1], &DataType::Int64)?;
    taken(lists.as_list(), indexes.as_primitive(), |index, length| {
        let place = match index {
            0 => return exec_err!("elements are counted from 1, not 0"),
            index if index > 0 => index - 1,
            index => length + index,
        };
        if must_be_there && !(0..length).contains(&place) {
            return exec_err!(
                "there is no element {index} in a list of {length}: use try_element_at, which gives null"
            );
        }
        Ok((0..length).contains(&place).then_some(place))
    })
}

pub(in crate::engine) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Where a row's list begins, and how many it has; of null none.
pub(in crate::engine) fn bounds(lists: &ListArray, row: usize) -> (usize, usize) {
    if lists.is_null(row) {
        return (0, 0);
    }
    let start = usize::try_from(lists.value_offsets()[row]).unwrap_or_default();
    (start, usize::try_from(lists.value_length(row)).unwrap_or_default())
}

/// The type of the first argument.
pub(in crate::engine) fn same(arguments: &[DataType]) -> Result<DataType> {
    arguments.first().cloned().map_or_else(|| plan_err!("expected a list"), Ok)
}

/// How many elements or entries.
pub(in crate::engine) fn list_or_map_size(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let Some(maps) = arguments[0].as_map_opt() else {
        return match arguments[0].as_list_opt::<i32>() {
            Some(_) => size(arguments, to),
            None => plan_err!("`cardinality` takes a list or a map, not {}", type_word(arguments[0].data_type())),
        };
    };
    let sizes: Int64Array =
        (0..maps.len()).map(|row| maps.is_valid(row).then(|| i64::from(maps.value_length(row)))).collect();
    Ok(Arc::new(sizes))
}

/// `get(list, index)` of Spark: from 0; null where there is none.
pub(in crate::engine) fn element_or_null(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    taken(arguments[0].as_list(), arguments[1].as_primitive(), |index, length| {
        Ok((0..length).contains(&index).then_some(index))
    })
}
