//! Functions of lists.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt32Array};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};

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

/// `element_at(list, index)`: from 1, or from -1 at the end; null beyond it.
pub(in crate::engine) fn element(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let lists = arguments[0].as_list::<i32>();
    let indexes = arguments[1].as_primitive::<Int64Type>();
    let mut taken = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        if lists.is_null(row) || indexes.is_null(row) {
            taken.push(None);
            continue;
        }
        let (start, length) = (i64::from(lists.value_offsets()[row]), i64::from(lists.value_length(row)));
        let index = match indexes.value(row) {
            0 => return exec_err!("elements are counted from 1, not 0"),
            index if index > 0 => index - 1,
            index => length + index,
        };
        let is_inside = (0..length).contains(&index);
        taken.push(is_inside.then(|| u32::try_from(start + index).ok()).flatten());
    }
    Ok(take(lists.values(), &UInt32Array::from(taken), None)?)
}
