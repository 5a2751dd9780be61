//! `histogram_numeric`: bins of no fixed width, of which the two that are nearest to each other become one where there are too many
//! (Ben-Haim and Tom-Tov). Which of several pairs is left to chance in Spark; here it is the first.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray, StructArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::percentiles::item;
use super::{Call, doubles};
use crate::engine::functions::type_word;

fn bin(value: &DataType) -> Fields {
    Fields::from(vec![Field::new("x", value.clone(), true), Field::new("y", DataType::Float64, true)])
}

/// `(number, how many bins)`.
pub(in crate::engine) fn types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given {
        [value, bins] if value.is_numeric() && !matches!(value, DataType::Decimal128(..)) && bins.is_integer() => {
            Ok((vec![value.clone(), DataType::Int64], DataType::new_list(DataType::Struct(bin(value)), true)))
        }
        [value, _] => plan_err!("histogram_numeric takes a number and how many bins, not {}", type_word(value)),
        _ => plan_err!("histogram_numeric takes a number and how many bins"),
    }
}

pub(in crate::engine) fn bins(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    let most = call.whole(1, "how many bins")?.and_then(|most| usize::try_from(most).ok());
    let Some(most) = most.filter(|most| *most >= 2) else { return exec_err!("histogram_numeric takes 2 bins or more") };
    let values = doubles(&columns[0])?;
    let values = values.as_primitive::<Float64Type>();
    if values.is_empty() {
        return ScalarValue::try_from(&call.to);
    }
    let mut bins: Vec<(f64, f64)> = Vec::new();
    for value in values.iter().flatten() {
        let at = bins.partition_point(|(x, _)| *x < value);
        match bins.get_mut(at) {
            Some((x, count)) if *x == value => *count += 1.0,
            _ => {
                bins.insert(at, (value, 1.0));
                if bins.len() > most {
                    join_nearest(&mut bins);
                }
            }
        }
    }
    let (places, counts): (Vec<f64>, Vec<f64>) = bins.into_iter().unzip();
    let places: ArrayRef = Arc::new(Float64Array::from(places));
    let fields = bin(&call.value);
    let structs = StructArray::try_new(
        fields.clone(),
        vec![cast(&places, &call.value)?, Arc::new(Float64Array::from(counts))],
        None,
    )?;
    let offsets = OffsetBuffer::from_lengths([structs.len()]);
    let list = ListArray::try_new(item(DataType::Struct(fields)), offsets, Arc::new(structs), None)?;
    Ok(ScalarValue::List(Arc::new(list)))
}

fn join_nearest(bins: &mut Vec<(f64, f64)>) {
    let gap = |bins: &[(f64, f64)], at: usize| bins[at + 1].0 - bins[at].0;
    let nearest = (0..bins.len() - 1).reduce(|best, at| if gap(bins, at) < gap(bins, best) { at } else { best });
    if let Some(at) = nearest {
        let (x, count) = bins.remove(at + 1);
        let (left, left_count) = bins[at];
        let sum = left_count + count;
        bins[at] = (left * (left_count / sum) + x / sum * count, sum);
    }
}
