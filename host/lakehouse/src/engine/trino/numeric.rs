//! More functions of numbers.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, PrimitiveArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType::{self, Boolean, Float64, Int64};
use datafusion::arrow::datatypes::{Decimal128Type, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};

use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, Number, Whole};
use crate::engine::functions::Returns::{Always, By};
use crate::engine::functions::{Function, math, type_word};

/// Registers the functions.
pub(super) fn register(all: &mut Functions) {
    let truncate = Function::new("truncate", &[Any, Whole], By(truncated_type), truncated).optional(1);
    all.scalar(&["truncate"], &truncate.build());
    let bucket = Function::new("width_bucket", &[Number, Number, Number, Whole], Always(Int64), width_bucket);
    all.scalar(&["width_bucket"], &bucket.build());
    let infinite = Function::new("is_infinite", &[Number], Always(Boolean), is_infinite);
    all.scalar(&["is_infinite"], &infinite.build());
    let normal = Function::new("normal_cdf", &[Number, Number, Number], Always(Float64), normal_cdf);
    all.scalar(&["normal_cdf"], &normal.build());
    let inverse = Function::new("inverse_normal_cdf", &[Number, Number, Number], Always(Float64), inverse_normal_cdf);
    all.scalar(&["inverse_normal_cdf"], &inverse.build());
}

/// Of a decimal with digits, its own type; without, its whole part's.
fn truncated_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [DataType::Decimal128(precision, scale)] => {
            let whole = i16::from(*precision) - i16::from(*scale);
            Ok(DataType::Decimal128(u8::try_from(whole.max(1)).unwrap_or(38), 0))
        }
        [DataType::Decimal128(..), _] => Ok(types[0].clone()),
        [whole] if whole.is_signed_integer() => Ok(decimal_of(whole)),
        [_] => math::same_number(types),
        [other, ..] => plan_err!("truncate takes its digits after a decimal, not after {}", type_word(other)),
        [] => plan_err!("expected a number"),
    }
}

/// The decimal that a whole number is to a function of decimals.
fn decimal_of(whole: &DataType) -> DataType {
    DataType::Decimal128(
        match whole {
            DataType::Int8 => 3,
            DataType::Int16 => 5,
            DataType::Int32 => 10,
            _ => 19,
        },
        0,
    )
}

fn truncated(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    // A whole number has nothing to lose.
    if arguments[0].data_type().is_integer() {
        return Ok(cast(&arguments[0], to)?);
    }
    let (DataType::Decimal128(precision, scale), DataType::Decimal128(_, given)) = (to, arguments[0].data_type())
    else {
        let values = cast(&arguments[0], &Float64)?;
        let values: Float64Array = values.as_primitive::<Float64Type>().unary(f64::trunc);
        let values: ArrayRef = Arc::new(values);
        return Ok(cast(&values, to)?);
    };
    let digits = arguments.get(1).map(|digits| digits.as_primitive::<Int64Type>());
    let values = arguments[0].as_primitive::<Decimal128Type>();
    let mut out = Vec::with_capacity(values.len());
    for (row, value) in values.iter().enumerate() {
        let kept = match digits {
            Some(digits) => digits.is_valid(row).then(|| digits.value(row)),
            None => Some(0),
        };
        let (Some(value), Some(kept)) = (value, kept) else {
            out.push(None);
            continue;
        };
        let dropped = (i64::from(*given) - kept).clamp(0, 39);
        let unit = u32::try_from(dropped).ok().and_then(|dropped| 10_i128.checked_pow(dropped));
        let value = unit.map_or(0, |unit| value / unit * unit);
        let rescale = u32::try_from(i32::from(*given) - i32::from(*scale)).unwrap_or(0);
        out.push(Some(value / 10_i128.pow(rescale)));
    }
    let out = PrimitiveArray::<Decimal128Type>::from(out).with_precision_and_scale(*precision, *scale)?;
    Ok(Arc::new(out))
}

fn is_infinite(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let values = arguments[0].as_primitive::<Float64Type>();
    Ok(Arc::new(values.iter().map(|value| value.map(f64::is_infinite)).collect::<BooleanArray>()))
}

/// `width_bucket(x, from, to, count)`: 0 below the first, `count + 1` from the end on; bounds may fall.
fn width_bucket(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let [values, from, to] = [0, 1, 2].map(|index: usize| arguments[index].as_primitive::<Float64Type>());
    let counts = arguments[3].as_primitive::<Int64Type>();
    let mut out = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        if [values, from, to].iter().any(|array| array.is_null(row)) || counts.is_null(row) {
            out.push(None);
            continue;
        }
        let (value, from, to, count) = (values.value(row), from.value(row), to.value(row), counts.value(row));
        if count <= 0 {
            return exec_err!("width_bucket takes a count above 0, not {count}");
        }
        if value.is_nan() || !from.is_finite() || !to.is_finite() || from == to {
            return exec_err!("width_bucket takes a number, and two finite bounds that differ");
        }
        let (low, high) = (from.min(to), from.max(to));
        let Some(beyond) = count.checked_add(1) else {
            return exec_err!("width_bucket: the bucket {count} + 1 is no bigint");
        };
        let bucket = match value {
            value if value < low => 0,
            value if value >= high => beyond,
            value => (count as f64 * (value - low) / (high - low) + 1.0).floor() as i64,
        };
        // Falling bounds count the rising buckets from the end, each with its own ends.
        out.push(Some(if from > to { beyond - bucket } else { bucket }));
    }
    Ok(Arc::new(Int64Array::from(out)))
}

fn three(arguments: &[ArrayRef], result: impl Fn(f64, f64, f64) -> Result<f64>) -> Result<ArrayRef> {
    let [first, second, third] = [0, 1, 2].map(|index: usize| arguments[index].as_primitive::<Float64Type>());
    let mut out = Vec::with_capacity(first.len());
    for row in 0..first.len() {
        let known = [first, second, third].iter().all(|array| array.is_valid(row));
        out.push(if known { Some(result(first.value(row), second.value(row), third.value(row))?) } else { None });
    }
    Ok(Arc::new(Float64Array::from(out)))
}

fn normal_cdf(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    three(arguments, |mean, deviation, value| {
        if deviation <= 0.0 {
            return exec_err!("a standard deviation is above 0, not {deviation}");
        }
        Ok(below((value - mean) / deviation))
    })
}

/// The part of the standard normal distribution below a value.
fn below(value: f64) -> f64 {
    0.5 * libm::erfc(-value / std::f64::consts::SQRT_2)
}

fn inverse_normal_cdf(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    three(arguments, |mean, deviation, part| {
        if !(part > 0.0 && part < 1.0) {
            return exec_err!("a probability is above 0 and below 1, not {part}");
        }
        if deviation <= 0.0 {
            return exec_err!("a standard deviation is above 0, not {deviation}");
        }
        Ok(mean + deviation * quantile(part))
    })
}

/// By bisection: the function rises, and 128 halvings leave nothing between two doubles.
fn quantile(part: f64) -> f64 {
    if part == 0.5 {
        return 0.0;
    }
    // Beyond these, a double knows no probability but 0 and 1.
    let (mut low, mut high) = (-40.0_f64, 40.0_f64);
    for _ in 0..128 {
        let middle = f64::midpoint(low, high);
        // In the upper half, the rest above is exact where the part below is not.
        let is_low = if part < 0.5 { below(middle) < part } else { below(-middle) > 1.0 - part };
        if is_low {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}
