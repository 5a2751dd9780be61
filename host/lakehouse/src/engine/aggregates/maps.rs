//! Maps of a group's rows.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, UInt32Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, plan_err};

use super::Call;
use super::percentiles::item;
use crate::engine::functions::maps::{made, map_of};

pub(in crate::engine) fn pair_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given {
        [key, value] => Ok((given.to_vec(), map_of(key, value))),
        _ => plan_err!("expected a key and a value"),
    }
}

pub(in crate::engine) fn group_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given {
        [key, value] => Ok((given.to_vec(), map_of(key, &DataType::new_list(value.clone(), true)))),
        _ => plan_err!("expected a key and a value"),
    }
}

pub(in crate::engine) fn count_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given {
        [key] => Ok((given.to_vec(), map_of(key, &DataType::Int64))),
        _ => plan_err!("histogram takes one value"),
    }
}

/// The rows of each key, keys in the order in which they first came.
fn by_key(keys: &ArrayRef) -> Result<Vec<Vec<u32>>> {
    let converter = RowConverter::new(vec![SortField::new(keys.data_type().clone())])?;
    let rows = converter.convert_columns(std::slice::from_ref(keys))?;
    let mut places: std::collections::HashMap<OwnedRow, usize> = std::collections::HashMap::new();
    let mut groups: Vec<Vec<u32>> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let place = *places.entry(row.owned()).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].extend(u32::try_from(index));
    }
    Ok(groups)
}

fn firsts(groups: &[Vec<u32>]) -> UInt32Array {
    groups.iter().map(|rows| rows.first().copied()).collect()
}

/// The values, those that the statement writes out too.
fn values(columns: &[ArrayRef], call: &Call) -> Result<ArrayRef> {
    match call.constant(1, "the value") {
        Ok(Some(value)) => value.to_array_of_size(columns[0].len()),
        _ if columns[1].len() == columns[0].len() => Ok(Arc::clone(&columns[1])),
        _ => ScalarValue::try_from(columns[1].data_type())?.to_array_of_size(columns[0].len()),
    }
}

fn map(keys: ArrayRef, values: ArrayRef, call: &Call) -> Result<ScalarValue> {
    if keys.is_empty() {
        return ScalarValue::try_from(&call.to);
    }
    let length = keys.len();
    Ok(ScalarValue::Map(Arc::new(made(keys, values, vec![length], None)?.as_map().clone())))
}

/// `map_agg(key, value)`: of several values of a key the one that came first.
pub(in crate::engine) fn pairs(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    let first = firsts(&by_key(&columns[0])?);
    map(take(&columns[0], &first, None)?, take(&values(columns, call)?, &first, None)?, call)
}

/// `multimap_agg(key, value)`: all values of a key.
pub(in crate::engine) fn groups(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    let groups = by_key(&columns[0])?;
    let all: UInt32Array = groups.iter().flatten().copied().map(Some).collect();
    let values = take(&values(columns, call)?, &all, None)?;
    let offsets = OffsetBuffer::from_lengths(groups.iter().map(Vec::len));
    let lists = ListArray::try_new(item(values.data_type().clone()), offsets, values, None)?;
    map(take(&columns[0], &firsts(&groups), None)?, Arc::new(lists), call)
}

/// `histogram(value)`: how often there is each value.
pub(in crate::engine) fn counts(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    let groups = by_key(&columns[0])?;
    let counts: Int64Array = groups.iter().map(|rows| i64::try_from(rows.len()).ok()).collect();
    map(take(&columns[0], &firsts(&groups), None)?, Arc::new(counts), call)
}
