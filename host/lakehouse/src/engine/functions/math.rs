//! Functions of numbers where the dialects and the engine differ: types of results, rounding, logarithms of zero.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};

use super::type_word;

type Doubles = PrimitiveArray<Float64Type>;

fn doubles(array: &ArrayRef) -> &Doubles {
    array.as_primitive()
}

macro_rules! of_double {
    ($($name:ident: $value:ident => $result:expr;)*) => {
        $(pub(in crate::engine) fn $name(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
            let values: Doubles = doubles(&arguments[0]).iter().map(|value| value.and_then(|$value| $result)).collect();
            Ok(Arc::new(values))
        })*
    };
}

of_double! {
    // Spark: no logarithm of what is not positive.
    ln_or_null: value => (value > 0.0).then(|| value.ln());
    log2_or_null: value => (value > 0.0).then(|| value.log2());
    log10_or_null: value => (value > 0.0).then(|| value.log10());
    log1p_or_null: value => (value > -1.0).then(|| value.ln_1p());
    ln: value => Some(value.ln());
    log2: value => Some(value.log2());
    log10: value => Some(value.log10());
    sqrt: value => Some(value.sqrt());
}

/// `power(base, exponent)`: always a double.
pub(in crate::engine) fn power(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    two(arguments, |base, exponent| Some(base.powf(exponent)))
}

/// `atan2(y, x)`: always a double.
pub(in crate::engine) fn arc_tangent(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    two(arguments, |y, x| Some(y.atan2(x)))
}

/// `hypot(a, b)`.
pub(in crate::engine) fn hypotenuse(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    two(arguments, |a, b| Some(a.hypot(b)))
}

/// `log(base, value)`.
pub(in crate::engine) fn log(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    two(arguments, |base, value| Some(value.ln() / base.ln()))
}

/// Spark's: null where there is none.
pub(in crate::engine) fn log_or_null(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    two(arguments, |base, value| (base > 0.0 && value > 0.0).then(|| value.ln() / base.ln()))
}

fn two(arguments: &[ArrayRef], result: impl Fn(f64, f64) -> Option<f64>) -> Result<ArrayRef> {
    let pairs = doubles(&arguments[0]).iter().zip(doubles(&arguments[1]));
    let values: Doubles = pairs.map(|(left, right)| result(left?, right?)).collect();
    Ok(Arc::new(values))
}

/// The argument's own type, if it is a number's.
pub(in crate::engine) fn same_number(types: &[DataType]) -> Result<DataType> {
    match types.first() {
        Some(DataType::Null) => Ok(DataType::Float64),
        Some(number) if number.is_numeric() => Ok(number.clone()),
        Some(other) => plan_err!("expected a number, not {}", type_word(other)),
        None => plan_err!("expected a number"),
    }
}

/// Spark's `ceil` and `floor`: a bigint, or a decimal without a fraction.
pub(in crate::engine) fn spark_whole(types: &[DataType]) -> Result<DataType> {
    match same_number(types)? {
        DataType::Decimal128(precision, scale) => Ok(whole_decimal(precision, scale, 1)),
        _ => Ok(DataType::Int64),
    }
}

/// Trino's `ceil`, `floor` and `round` without digits: the argument's type, a decimal without its fraction.
pub(in crate::engine) fn trino_whole(types: &[DataType]) -> Result<DataType> {
    match same_number(types)? {
        DataType::Decimal128(precision, scale) => Ok(whole_decimal(precision, scale, i8::from(scale > 0))),
        other => Ok(other),
    }
}

fn whole_decimal(precision: u8, scale: i8, more: i8) -> DataType {
    let digits = i16::from(precision) - i16::from(scale) + i16::from(more);
    DataType::Decimal128(u8::try_from(digits.clamp(1, 38)).unwrap_or(38), 0)
}

pub(in crate::engine) fn ceiling(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    whole(&arguments[0], to, f64::ceil, |value, unit| value.div_euclid(unit) + i128::from(value.rem_euclid(unit) != 0))
}

pub(in crate::engine) fn floor(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    whole(&arguments[0], to, f64::floor, |value, unit| value.div_euclid(unit))
}

/// Trino's `round(x)`.
pub(in crate::engine) fn nearest(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    whole(&arguments[0], to, f64::round, |value, unit| {
        let away = (value.abs() + unit / 2) / unit;
        if value < 0 { -away } else { away }
    })
}

fn whole(
    array: &ArrayRef,
    to: &DataType,
    of_double: fn(f64) -> f64,
    of_decimal: fn(i128, i128) -> i128,
) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Decimal128(_, scale) => {
            let unit = 10_i128.pow(u32::try_from(*scale).unwrap_or(0));
            let DataType::Decimal128(precision, _) = to else { return exec_err!("a decimal becomes a decimal") };
            let values: PrimitiveArray<Decimal128Type> =
                array.as_primitive::<Decimal128Type>().unary(|value| of_decimal(value, unit));
            Ok(Arc::new(values.with_precision_and_scale(*precision, 0)?))
        }
        number if number.is_integer() => Ok(cast(array, to)?),
        _ => {
            let values = cast(array, &DataType::Float64)?;
            let values: Doubles = doubles(&values).unary(of_double);
            let values: ArrayRef = Arc::new(values);
            Ok(cast(&values, to)?)
        }
    }
}

/// Trino's `round(x, digits)` of a double: scaled, rounded from a half on away from zero, and scaled back.
pub(in crate::engine) fn rounded_by_factor(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    rounded(arguments, to, |value, digits| {
        let factor = 10_f64.powi(digits);
        let rounded = (value.abs() * factor).round() / factor;
        if rounded.is_finite() { rounded.copysign(value) } else { value }
    })
}

/// Spark's `round(x[, digits])` of a double: the decimal that it is written as, rounded half up.
pub(in crate::engine) fn rounded_as_written(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    rounded(arguments, to, |value, digits| {
        if !value.is_finite() {
            return value;
        }
        as_written(value, digits).unwrap_or(value)
    })
}

fn rounded(arguments: &[ArrayRef], to: &DataType, round: impl Fn(f64, i32) -> f64) -> Result<ArrayRef> {
    if to.is_integer() && arguments.len() == 1 {
        return Ok(cast(&arguments[0], to)?);
    }
    let values = cast(&arguments[0], &DataType::Float64)?;
    let digits = arguments.get(1).map(|array| array.as_primitive::<Int64Type>());
    let mut rounded = Vec::with_capacity(values.len());
    for (row, value) in doubles(&values).iter().enumerate() {
        let digits = match digits {
            Some(digits) => datafusion::arrow::array::Array::is_valid(digits, row).then(|| digits.value(row)),
            None => Some(0),
        };
        rounded.push(match (value, digits) {
            // Beyond these no double has digits.
            (Some(value), Some(digits)) => Some(round(value, i32::try_from(digits.clamp(-330, 330)).unwrap_or(0))),
            _ => None,
        });
    }
    let rounded: ArrayRef = Arc::new(Doubles::from(rounded));
    Ok(cast(&rounded, to)?)
}

/// From the shortest digits that tell the number from its neighbours: at most 17, so they fit.
fn as_written(value: f64, digits: i32) -> Option<f64> {
    let shortest = format!("{:e}", value.abs());
    let (mantissa, exponent) = shortest.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let number: u128 = mantissa.replace('.', "").parse().ok()?;
    // value = number × 10^(exponent - fraction)
    let drop = -(exponent - i32::try_from(fraction).ok()?) - digits;
    if drop <= 0 {
        return Some(value);
    }
    let unit = 10_u128.checked_pow(u32::try_from(drop).ok()?);
    let kept = unit.map_or(0, |unit| (number + unit / 2) / unit);
    format!("{kept}e{}", -digits).parse::<f64>().ok().map(|rounded| rounded.copysign(value))
}

/// -1, 0 or 1, in the argument's type.
pub(in crate::engine) fn sign(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let values = cast(&arguments[0], &DataType::Float64)?;
    let signs: Doubles =
        doubles(&values).unary(|value| if value == 0.0 || value.is_nan() { value } else { value.signum() });
    let signs: ArrayRef = Arc::new(signs);
    Ok(cast(&signs, to)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_double_is_rounded_as_it_is_written() {
        for (value, digits, expected) in
            [(2.675, 2, 2.68), (-2.5, 0, -3.0), (1234.5, -2, 1200.0), (0.1, 5, 0.1), (1e-9, 2, 0.0), (5.0, -1, 10.0)]
        {
            assert_eq!(as_written(value, digits), Some(expected), "{value} {digits}");
        }
    }
}
