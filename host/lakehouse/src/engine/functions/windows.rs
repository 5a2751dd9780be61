//! Windows of time that a moment is in: Spark's `window(time, width, slide, start)`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, PrimitiveArray, StructArray};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int64Type, TimestampMicrosecondType};
use datafusion::common::{Result, exec_err, plan_err};

use super::type_word;

/// A list of rows of `start` and `end`, for a moment and three numbers of microseconds.
pub(in crate::engine) fn windows_type(types: &[DataType]) -> Result<DataType> {
    let Some(moment @ DataType::Timestamp(..)) = types.first() else {
        return plan_err!("`window` takes a timestamp");
    };
    let fields = Fields::from(vec![Field::new("start", moment.clone(), true), Field::new("end", moment.clone(), true)]);
    Ok(DataType::new_list(DataType::Struct(fields), true))
}

/// `(time, width, slide, start)`: the windows of that width that begin at `start` and each `slide` after it, and have the moment in
/// them. None for no moment.
pub(in crate::engine) fn windows(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let DataType::List(item) = to else { return exec_err!("windows are a list") };
    let DataType::Struct(fields) = item.data_type() else { return exec_err!("a window has a start and an end") };
    let times = arguments[0].as_primitive::<TimestampMicrosecondType>();
    let numbers = [1, 2, 3].map(|index| arguments[index].as_primitive::<Int64Type>());
    let (mut starts, mut ends, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(times.len()));
    for row in 0..times.len() {
        let before = starts.len();
        if times.is_valid(row) {
            let [width, slide, start] = numbers.map(|numbers| i128::from(numbers.value(row)));
            let time = i128::from(times.value(row));
            // The last that begins at or before the moment, and those before it.
            let mut begin = time - (time - start).rem_euclid(slide);
            while begin + width > time {
                let (Ok(from), Ok(until)) = (i64::try_from(begin), i64::try_from(begin + width)) else {
                    return exec_err!("a window of time is out of range");
                };
                starts.push(from);
                ends.push(until);
                begin -= slide;
            }
        }
        lengths.push(starts.len() - before);
    }
    let zone = times.timezone().map(Arc::from);
    let moments = |values: Vec<i64>| -> ArrayRef {
        Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from(values).with_timezone_opt(zone.clone()))
    };
    let rows = StructArray::try_new(fields.clone(), vec![moments(starts), moments(ends)], None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, Arc::new(rows), None::<NullBuffer>)?))
}

/// The type of a window's own moments.
pub(in crate::engine) fn time_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [DataType::Struct(fields)] => match fields.find("end") {
            Some((_, field)) if matches!(field.data_type(), DataType::Timestamp(..)) => Ok(field.data_type().clone()),
            _ => plan_err!("`window_time` takes what `window` gives"),
        },
        [other] => plan_err!("`window_time` takes what `window` gives, not {}", type_word(other)),
        _ => plan_err!("`window_time` takes what `window` gives"),
    }
}

/// The last microsecond of a window.
pub(in crate::engine) fn time(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let windows = arguments[0].as_struct();
    let Some(ends) = windows.column_by_name("end") else { return exec_err!("a window has an end") };
    let ends = ends.as_primitive::<TimestampMicrosecondType>();
    let times: PrimitiveArray<TimestampMicrosecondType> =
        (0..ends.len()).map(|row| (windows.is_valid(row) && ends.is_valid(row)).then(|| ends.value(row) - 1)).collect();
    Ok(Arc::new(times.with_timezone_opt(ends.timezone().map(Arc::<str>::from))))
}
