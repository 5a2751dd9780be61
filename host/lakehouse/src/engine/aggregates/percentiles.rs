//! Percentiles and modes of all values of a group.
//!
//! `approx_percentile` is exact here, which is within what it promises; on up to ten thousand values Spark is exact too.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt32Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{SortOptions, sort_to_indices, take};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::{Call, doubles};
use crate::engine::functions::type_word;

fn is_list(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
}

/// The type of where to look: a double, or a list of them.
fn wanted(given: &DataType) -> Result<DataType> {
    match given {
        list if is_list(list) => Ok(DataType::new_list(DataType::Float64, true)),
        number if number.is_numeric() => Ok(DataType::Float64),
        other => plan_err!("a percentage is a number from 0 to 1 or a list of them, not {}", type_word(other)),
    }
}

fn one_or_list(wanted: &DataType, one: DataType) -> DataType {
    if is_list(wanted) { DataType::new_list(one, true) } else { one }
}

/// `(number, percentage[, frequency[, descending]])`.
pub(in crate::engine) fn exact_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let number = match given.first() {
        Some(number) if number.is_numeric() || matches!(number, DataType::Null | DataType::Utf8) => DataType::Float64,
        Some(other) => return plan_err!("percentiles are of numbers, not of {}", type_word(other)),
        None => return plan_err!("expected a number"),
    };
    let Some(at) = given.get(1) else { return plan_err!("expected a percentage") };
    let mut types = vec![number, wanted(at)?];
    if let Some(frequency) = given.get(2) {
        if !frequency.is_integer() && !frequency.is_null() {
            return plan_err!("a frequency is a whole number, not {}", type_word(frequency));
        }
        types.push(DataType::Int64);
    }
    if given.len() > 3 {
        types.push(DataType::Boolean);
    }
    let result = one_or_list(&types[1], DataType::Float64);
    Ok((types, result))
}

/// `(value, percentage[, accuracy])`: the value's own type.
pub(in crate::engine) fn approximate_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let value = match given.first() {
        Some(DataType::Null) => DataType::Float64,
        Some(DataType::Utf8) => DataType::Float64,
        Some(value) if value.is_numeric() || matches!(value, DataType::Date32 | DataType::Timestamp(..)) => {
            value.clone()
        }
        Some(other) => return plan_err!("percentiles are of numbers and moments, not of {}", type_word(other)),
        None => return plan_err!("expected a value"),
    };
    let Some(at) = given.get(1) else { return plan_err!("expected a percentage") };
    let mut types = vec![value.clone(), wanted(at)?];
    if given.len() > 2 {
        types.push(DataType::Int64);
    }
    let result = one_or_list(&types[1], value);
    Ok((types, result))
}

/// The percentages that are asked for; none: null is.
fn percentages(call: &Call) -> Result<Option<Vec<f64>>> {
    let Some(value) = call.constant(1, "a percentage")? else { return Ok(None) };
    let values = match value {
        ScalarValue::List(list) if list.len() == 1 => list.value(0),
        other => other.to_array()?,
    };
    let values = doubles(&values)?;
    let mut all = Vec::with_capacity(values.len());
    for value in values.as_primitive::<Float64Type>() {
        match value.filter(|value| (0.0..=1.0).contains(value)) {
            Some(value) => all.push(value),
            None => return exec_err!("a percentage is a number from 0 to 1"),
        }
    }
    Ok(Some(all))
}

/// One value or the list, in the result's type.
fn result(values: Option<ArrayRef>, call: &Call) -> Result<ScalarValue> {
    let Some(values) = values else { return ScalarValue::try_from(&call.to) };
    match &call.to {
        DataType::List(item) => {
            let offsets = OffsetBuffer::from_lengths([values.len()]);
            Ok(ScalarValue::List(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, None)?)))
        }
        _ => ScalarValue::try_from_array(&values, 0),
    }
}

/// Values with how often each comes, in order.
struct Sorted {
    values: Vec<f64>,
    /// Up to and with each value.
    counts: Vec<i64>,
}

impl Sorted {
    fn of(columns: &[ArrayRef], call: &Call) -> Result<Self> {
        let values = columns[0].as_primitive::<Float64Type>();
        let constant = call.constants.get(2).cloned().flatten();
        let same = match constant {
            Some(ScalarValue::Int64(count)) => Some(count),
            _ => None,
        };
        let counts = columns
            .get(2)
            .filter(|counts| counts.len() == values.len())
            .map(|counts| counts.as_primitive::<Int64Type>());
        let mut pairs = Vec::with_capacity(values.len());
        for (row, value) in values.iter().enumerate() {
            let count = match (same, counts) {
                (Some(same), _) => same,
                (None, Some(counts)) => counts.is_valid(row).then(|| counts.value(row)),
                (None, None) => Some(1),
            };
            match (value, count) {
                (Some(_), Some(count)) if count < 0 => return exec_err!("a frequency is not negative: {count}"),
                (Some(value), Some(count)) if count > 0 => pairs.push((value, count)),
                _ => {}
            }
        }
        let descending = matches!(call.constants.get(3), Some(Some(ScalarValue::Boolean(Some(true)))));
        // All that is no number is the greatest, as Spark orders it.
        pairs.sort_by(|(left, _), (right, _)| {
            let order = match (left.is_nan(), right.is_nan()) {
                (false, false) => left.partial_cmp(right).unwrap_or(Ordering::Equal),
                (left, right) => left.cmp(&right),
            };
            if descending { order.reverse() } else { order }
        });
        let mut sum = 0_i64;
        let counts = pairs
            .iter()
            .map(|(_, count)| {
                sum = sum.saturating_add(*count);
                sum
            })
            .collect();
        Ok(Self { values: pairs.into_iter().map(|(value, _)| value).collect(), counts })
    }

    fn total(&self) -> i64 {
        self.counts.last().copied().unwrap_or(0)
    }

    /// The value at a place from 0.
    fn at(&self, place: i64) -> f64 {
        let index = self.counts.partition_point(|count| *count <= place);
        self.values.get(index).or(self.values.last()).copied().unwrap_or(f64::NAN)
    }

    fn between(&self, percentage: f64) -> f64 {
        let place = (self.total() - 1) as f64 * percentage;
        let (lower, higher) = (place.floor(), place.ceil());
        let (low, high) = (self.at(lower as i64), self.at(higher as i64));
        if lower == higher || low == high { low } else { (higher - place) * low + (place - lower) * high }
    }

    fn reached(&self, percentage: f64) -> f64 {
        self.at(((self.total() as f64 * percentage).ceil() as i64 - 1).max(0))
    }
}

fn each(columns: &[ArrayRef], call: &Call, value: impl Fn(&Sorted, f64) -> f64) -> Result<ScalarValue> {
    let sorted = Sorted::of(columns, call)?;
    let Some(percentages) = percentages(call)?.filter(|_| sorted.total() > 0) else { return result(None, call) };
    let values = ScalarValue::iter_to_array(
        percentages.into_iter().map(|percentage| ScalarValue::Float64(Some(value(&sorted, percentage)))),
    )?;
    result(Some(values), call)
}

/// `percentile`, `percentile_cont`: between two values where it falls between them.
pub(in crate::engine) fn continuous(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    each(columns, call, Sorted::between)
}

/// `percentile_disc`: the first value that so many are at or before.
pub(in crate::engine) fn discrete(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    each(columns, call, Sorted::reached)
}

/// `approx_percentile`.
pub(in crate::engine) fn approximate(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    const ACCURACY: i64 = 10_000;
    let accuracy = call.whole(2, "the accuracy")?.unwrap_or(ACCURACY);
    if !(1..=i64::from(i32::MAX)).contains(&accuracy) {
        return exec_err!("the accuracy is a number from 1 to {}, not {accuracy}", i32::MAX);
    }
    let values = &columns[0];
    let Some(percentages) = percentages(call)?.filter(|_| !values.is_empty()) else { return result(None, call) };
    let error = 1.0 / accuracy as f64;
    let count = values.len();
    let order = sort_to_indices(values, Some(SortOptions { descending: false, nulls_first: false }), None)?;
    let places: UInt32Array = percentages
        .into_iter()
        .map(|percentage| {
            let place = match percentage {
                low if low <= error => 0,
                high if high >= 1.0 - error => count - 1,
                between => ((between * count as f64).ceil() as usize).clamp(1, count) - 1,
            };
            order.value(place)
        })
        .collect();
    result(Some(take(values, &places, None)?), call)
}

/// `(value[, whether a tie is the smallest's[, whether it is the greatest's]])`.
pub(in crate::engine) fn mode_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given {
        [DataType::Map(..), ..] => plan_err!("mode is not of maps"),
        [value, rest @ ..] => {
            if rest.iter().any(|data_type| *data_type != DataType::Boolean) {
                return plan_err!("whether mode is deterministic is true or false");
            }
            Ok((given.to_vec(), value.clone()))
        }
        [] => plan_err!("expected a value"),
    }
}

/// The most frequent value; of several, the smallest, or the greatest.
pub(in crate::engine) fn mode(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    if matches!(call.constant(1, "whether mode is deterministic")?, Some(ScalarValue::Boolean(Some(false)))) {
        return exec_err!(
            "which of several values is the mode is left to chance with `false`: write `true`, for the smallest"
        );
    }
    let greatest = matches!(call.constants.get(2), Some(Some(ScalarValue::Boolean(Some(true)))));
    let values = &columns[0];
    if values.is_empty() || values.data_type().is_null() {
        return ScalarValue::try_from(&call.to);
    }
    let options = SortOptions { descending: greatest, nulls_first: false };
    let converter = RowConverter::new(vec![SortField::new_with_options(values.data_type().clone(), options)])?;
    let rows = converter.convert_columns(std::slice::from_ref(values))?;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|left, right| rows.row(*left).cmp(&rows.row(*right)));
    let mut best = (0, 0);
    for run in order.chunk_by(|left, right| rows.row(*left) == rows.row(*right)) {
        if run.len() > best.1 {
            best = (run[0], run.len());
        }
    }
    ScalarValue::try_from_array(values, best.0)
}

/// The list's item of a type.
pub(super) fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new_list_field(data_type, true))
}
