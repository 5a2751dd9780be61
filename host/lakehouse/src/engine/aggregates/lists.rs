//! Lists and texts of all values of a group.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{SortColumn, SortOptions, lexsort_to_indices};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};

use super::percentiles::item;
use super::{Call, distinct};
use crate::engine::functions::{type_word, variants};

pub(in crate::engine) fn set_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given {
        [DataType::Map(..)] => plan_err!("collect_set is not of maps"),
        [value] => Ok((vec![value.clone()], DataType::new_list(value.clone(), true))),
        _ => plan_err!("collect_set takes one value"),
    }
}

/// `collect_set`: each value once, in the order in which they first came.
pub(in crate::engine) fn set(columns: &[ArrayRef], _call: &Call) -> Result<ScalarValue> {
    let values = distinct(columns)?.swap_remove(0);
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    let list = ListArray::try_new(item(values.data_type().clone()), offsets, values, None)?;
    Ok(ScalarValue::List(Arc::new(list)))
}

/// Keys that a list is ordered by.
pub(in crate::engine) const KEYS_AT_MOST: usize = 8;

/// `(text, delimiter[, key, whether it descends, whether nulls are first]…)`.
pub(in crate::engine) fn text_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given.first() {
        Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null) => {
            let keys = given.iter().skip(2).cloned();
            Ok(([DataType::Utf8, DataType::Utf8].into_iter().chain(keys).collect(), DataType::Utf8))
        }
        Some(other) => plan_err!("listagg takes text, not {}: cast it", type_word(other)),
        None => plan_err!("listagg takes text"),
    }
}

/// `listagg`; without keys in the order in which they came.
pub(in crate::engine) fn joined(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    let delimiter = match call.constant(1, "the delimiter")? {
        Some(value) => value.try_as_str().flatten().unwrap_or_default().to_owned(),
        None => String::new(),
    };
    let texts = columns[0].as_string::<i32>();
    let flag = |index: usize| matches!(call.constants.get(index), Some(Some(ScalarValue::Boolean(Some(true)))));
    let keys: Vec<SortColumn> = (2..columns.len())
        .step_by(3)
        // A key that is one and the same orders nothing, and is not gathered.
        .filter(|key| columns[*key].len() == texts.len())
        .map(|key| SortColumn {
            values: Arc::clone(&columns[key]),
            options: Some(SortOptions { descending: flag(key + 1), nulls_first: flag(key + 2) }),
        })
        .collect();
    let order: Vec<usize> = if keys.is_empty() || texts.is_empty() {
        (0..texts.len()).collect()
    } else {
        lexsort_to_indices(&keys, None)?.values().iter().map(|index| *index as usize).collect()
    };
    let texts: Vec<&str> = order.into_iter().map(|row| texts.value(row)).collect();
    Ok(ScalarValue::Utf8((!texts.is_empty()).then(|| texts.join(&delimiter))))
}

pub(in crate::engine) fn variant_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    variants::schema_type(given).map(|result| (given.to_vec(), result))
}

/// `schema_of_variant_agg`.
pub(in crate::engine) fn schema(columns: &[ArrayRef], _call: &Call) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(Some(variants::schema_of_all(&columns[0]))))
}
