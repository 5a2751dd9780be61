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

/// Likewise, and room for the digit that rounding may add to a decimal.
pub(in crate::engine) fn one_digit_more(types: &[DataType]) -> Result<DataType> {
    match same_number(types)? {
        DataType::Decimal128(precision, scale) => Ok(DataType::Decimal128((precision + 1).min(38), scale)),
        other => Ok(other),
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
    whole(&arguments[0], to, f64::ceil, Rounding::Up)
}

pub(in crate::engine) fn floor(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    whole(&arguments[0], to, f64::floor, Rounding::Down)
}

/// Trino's `round(x)`.
pub(in crate::engine) fn nearest(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    whole(&arguments[0], to, f64::round, Rounding::HalfUp)
}

fn whole(array: &ArrayRef, to: &DataType, of_double: fn(f64) -> f64, of_decimal: Rounding) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Decimal128(_, scale) => {
            let unit = 10_i128.pow(u32::try_from(*scale).unwrap_or(0));
            let DataType::Decimal128(precision, _) = to else { return exec_err!("a decimal becomes a decimal") };
            let values: PrimitiveArray<Decimal128Type> =
                array.as_primitive::<Decimal128Type>().unary(|value| of_decimal.whole(value, unit));
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

/// Where a number goes that lies between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rounding {
    /// From a half on away from zero.
    HalfUp,
    /// From a half to the even one.
    HalfEven,
    Up,
    Down,
}

impl Rounding {
    /// So many units.
    fn whole(self, value: i128, unit: i128) -> i128 {
        let (down, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
        let up = match self {
            _ if rest == 0 => false,
            Self::Up => true,
            Self::Down => false,
            _ if rest != unit - rest => rest > unit - rest,
            Self::HalfUp => value > 0,
            Self::HalfEven => down % 2 != 0,
        };
        // A unit that leaves a rest is ten at least, so this is far from the ends.
        down + i128::from(up)
    }

    /// Likewise for a unit that may have more digits than there is room for; none: the result has.
    fn units(self, value: i128, unit: Option<i128>) -> Option<i128> {
        // A unit beyond 38 digits is more than twice any decimal.
        let Some(unit) = unit else {
            let is_zero = match self {
                Self::HalfUp | Self::HalfEven => true,
                Self::Up => value <= 0,
                Self::Down => value >= 0,
            };
            return is_zero.then_some(0);
        };
        Some(self.whole(value, unit))
    }
}

/// Decimals at a digit behind the point, before it where that is negative.
fn decimals(arguments: &[ArrayRef], to: &DataType, rounding: Rounding) -> Result<ArrayRef> {
    let (DataType::Decimal128(precision, scale), [values, digits]) = (to, arguments) else {
        return exec_err!("expected a decimal and its digits");
    };
    let pairs = values.as_primitive::<Decimal128Type>().iter().zip(digits.as_primitive::<Int64Type>());
    let rounded = pairs.map(|pair| {
        let (Some(value), Some(digits)) = pair else { return Ok(None) };
        let drop = u32::try_from(i64::from(*scale) - digits).unwrap_or(0);
        let unit = 10_i128.checked_pow(drop);
        let units = rounding.units(value, unit).and_then(|units| units.checked_mul(unit.unwrap_or(1)));
        units.map_or_else(|| exec_err!("rounding gives a decimal of more than 38 digits"), |units| Ok(Some(units)))
    });
    let rounded = rounded.collect::<Result<PrimitiveArray<Decimal128Type>>>()?;
    Ok(Arc::new(rounded.with_precision_and_scale(*precision, *scale)?))
}

/// Spark's `ceil(decimal, digits)`.
pub(in crate::engine) fn ceiling_at(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    decimals(arguments, to, Rounding::Up)
}

/// Spark's `floor(decimal, digits)`.
pub(in crate::engine) fn floor_at(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    decimals(arguments, to, Rounding::Down)
}

/// Trino's `round(x, digits)` of a double: scaled, rounded from a half on away from zero, and scaled back.
pub(in crate::engine) fn rounded_by_factor(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    rounded(arguments, to, Rounding::HalfUp, |value, digits| {
        let factor = 10_f64.powi(digits);
        let rounded = (value.abs() * factor).round() / factor;
        if rounded.is_finite() { rounded.copysign(value) } else { value }
    })
}

/// Spark's `round(x[, digits])`: of a double, the decimal that it is written as is rounded.
pub(in crate::engine) fn rounded_as_written(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    rounded(arguments, to, Rounding::HalfUp, |value, digits| as_written(value, digits, Rounding::HalfUp))
}

/// Spark's `bround(x[, digits])`, likewise.
pub(in crate::engine) fn rounded_to_even(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    rounded(arguments, to, Rounding::HalfEven, |value, digits| as_written(value, digits, Rounding::HalfEven))
}

fn rounded(
    arguments: &[ArrayRef],
    to: &DataType,
    rounding: Rounding,
    round: impl Fn(f64, i32) -> f64,
) -> Result<ArrayRef> {
    if matches!(to, DataType::Decimal128(..)) {
        return decimals(arguments, to, rounding);
    }
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
fn as_written(value: f64, digits: i32, rounding: Rounding) -> f64 {
    let read = || {
        let shortest = format!("{:e}", value.abs());
        let (mantissa, exponent) = shortest.split_once('e')?;
        let exponent: i32 = exponent.parse().ok()?;
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let number: i128 = mantissa.replace('.', "").parse().ok()?;
        // value = number × 10^(exponent - fraction)
        let drop = -(exponent - i32::try_from(fraction).ok()?) - digits;
        let unit = 10_i128.checked_pow(u32::try_from(drop).ok()?);
        let kept = rounding.units(number, unit)?;
        format!("{kept}e{}", -digits).parse::<f64>().ok().map(|rounded| rounded.copysign(value))
    };
    // What has no such digits has nothing to round.
    read().unwrap_or(value)
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
        for (value, digits, up, even) in [
            (2.675, 2, 2.68, 2.68),
            (2.665, 2, 2.67, 2.66),
            (-2.5, 0, -3.0, -2.0),
            (1234.5, -2, 1200.0, 1200.0),
            (25.0, -1, 30.0, 20.0),
            (0.1, 5, 0.1, 0.1),
            (1e-9, 2, 0.0, 0.0),
            (5.0, -1, 10.0, 0.0),
            (f64::INFINITY, 1, f64::INFINITY, f64::INFINITY),
        ] {
            let rounded = [Rounding::HalfUp, Rounding::HalfEven].map(|rounding| as_written(value, digits, rounding));
            assert_eq!(rounded, [up, even], "{value} {digits}");
        }
    }

    #[test]
    fn decimals_go_where_their_rounding_says() {
        use Rounding::{Down, HalfEven, HalfUp, Up};
        for (rounding, below, half, above) in
            [(HalfUp, -3, 3, 3), (HalfEven, -2, 2, 3), (Up, -2, 3, 3), (Down, -3, 2, 2)]
        {
            let units = [-25, 25, 26].map(|value| rounding.units(value, Some(10)));
            assert_eq!(units, [Some(below), Some(half), Some(above)], "{rounding:?}");
        }
        assert_eq!([HalfUp, Up, Down].map(|rounding| rounding.units(7, None)), [Some(0), None, Some(0)]);
    }
}
