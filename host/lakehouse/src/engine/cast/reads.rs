//! Values from text.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, PrimitiveArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::cast_utils::Parser;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, i256,
};
use datafusion::common::{Result, exec_err};

use crate::engine::calendar::SECOND;
use crate::engine::calendar::reading::{self, Partial};
use crate::engine::functions::type_word;
use crate::engine::numbers::Missing;
use crate::engine::numbers::decimal::{Rules, power, rescaled};

/// Reads every text as a value of a type.
pub(in crate::engine) fn read(texts: &StringArray, to: &DataType, rules: Rules, missing: Missing) -> Result<ArrayRef> {
    let reader = Reader { texts, to, rules, missing };
    match to {
        DataType::Boolean => {
            let values = reader.each(|text| truth(text, rules))?;
            Ok(Arc::new(BooleanArray::from(values)))
        }
        DataType::Int8 => reader.whole::<Int8Type>(),
        DataType::Int16 => reader.whole::<Int16Type>(),
        DataType::Int32 => reader.whole::<Int32Type>(),
        DataType::Int64 => reader.whole::<Int64Type>(),
        DataType::Float32 => {
            let values = reader.each(|text| double(text).map(|value| value as f32))?;
            Ok(Arc::new(PrimitiveArray::<Float32Type>::from(values)))
        }
        DataType::Float64 => Ok(Arc::new(PrimitiveArray::<Float64Type>::from(reader.each(double)?))),
        DataType::Decimal128(precision, scale) => {
            let values = reader.each(|text| decimal(text.trim(), *precision, *scale))?;
            let values = PrimitiveArray::<Decimal128Type>::from(values);
            Ok(Arc::new(values.with_precision_and_scale(*precision, *scale)?))
        }
        DataType::Date32 => {
            let values =
                reader.each(|text| reading::date(text, partial(rules)).and_then(|days| i32::try_from(days).ok()))?;
            Ok(Arc::new(PrimitiveArray::<Date32Type>::from(values)))
        }
        DataType::Timestamp(_, zone) => reader.moments(zone.clone()),
        other => exec_err!("text is not read as {}", type_word(other)),
    }
}

struct Reader<'a> {
    texts: &'a StringArray,
    to: &'a DataType,
    rules: Rules,
    missing: Missing,
}

impl Reader<'_> {
    fn each<T>(&self, read: impl Fn(&str) -> Option<T>) -> Result<Vec<Option<T>>> {
        let mut values = Vec::with_capacity(self.texts.len());
        for text in self.texts {
            let value = text.map(&read);
            match (value, text) {
                (Some(None), Some(text)) if self.missing == Missing::Error => {
                    return exec_err!("the text '{text}' cannot be cast to {}", type_word(self.to));
                }
                (value, _) => values.push(value.flatten()),
            }
        }
        Ok(values)
    }

    fn whole<T: ArrowPrimitiveType + Parser>(&self) -> Result<ArrayRef> {
        let spark = self.rules == Rules::Spark;
        let values = self.each(|text| {
            let text = if spark { text.trim() } else { text };
            T::parse(text.strip_prefix('+').unwrap_or(text))
        })?;
        Ok(Arc::new(PrimitiveArray::<T>::from_iter(values)))
    }

    fn moments(&self, zone: Option<Arc<str>>) -> Result<ArrayRef> {
        let values = self.each(|text| {
            let read = reading::moment(text, partial(self.rules))?;
            match (&zone, self.rules) {
                (Some(_), _) => Some(read.micros),
                // Without a zone in its type, Spark passes over the text's, and Trino does not read it.
                (None, Rules::Spark) => Some(read.local),
                (None, Rules::Trino) => (!read.has_zone).then_some(read.local),
            }
        })?;
        let length = match self.to {
            DataType::Timestamp(TimeUnit::Second, _) => SECOND,
            DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000,
            _ => 1,
        };
        let rounded = values.into_iter().map(|value| value.map(|at| (at + length / 2).div_euclid(length) * length));
        let values = PrimitiveArray::<TimestampMicrosecondType>::from_iter(rounded).with_timezone_opt(zone);
        let values: ArrayRef = Arc::new(values);
        Ok(cast(&values, self.to)?)
    }
}

fn partial(rules: Rules) -> Partial {
    match rules {
        Rules::Spark => Partial::Allowed,
        Rules::Trino => Partial::Refused,
    }
}

fn truth(text: &str, rules: Rules) -> Option<bool> {
    let (yes, no): (&[&str], &[&str]) = match rules {
        Rules::Spark => (&["t", "true", "y", "yes", "1"], &["f", "false", "n", "no", "0"]),
        Rules::Trino => (&["t", "true", "1"], &["f", "false", "0"]),
    };
    let text = if rules == Rules::Spark { text.trim() } else { text };
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(yes) { Some(true) } else { is(no).then_some(false) }
}

/// Both dialects read numbers as Java does: with spaces around them, `Infinity` and `NaN`.
pub(in crate::engine) fn double(text: &str) -> Option<f64> {
    match text.trim() {
        "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        // Rust's own words for them are not Java's.
        text if text.bytes().any(|byte| matches!(byte, b'i' | b'I' | b'n' | b'N')) => None,
        text => text.parse().ok(),
    }
}

/// `-12.345` or `1.5e3`, unscaled and rounded half up. Longer than this no number needs to be written.
pub(in crate::engine) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    const DIGITS_AT_MOST: usize = 70;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes().first()? {
        b'-' => (true, &mantissa[1..]),
        b'+' => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let count = whole.len() + fraction.len();
    if count == 0 || count > DIGITS_AT_MOST || exponent.abs() > 100 {
        return None;
    }
    let mut value = i256::ZERO;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i256::from_i128(i128::from(digit - b'0'));
        value = value.checked_mul(i256::from_i128(10))?.checked_add(digit)?;
    }
    let written = i32::try_from(fraction.len()).ok()? - exponent;
    let value = if written - i32::from(scale) > 76 { i256::ZERO } else { rescaled(value, written, i32::from(scale))? };
    let value = if negative { value.wrapping_neg() } else { value };
    if value.wrapping_abs() >= power(u32::from(precision)) {
        return None;
    }
    value.to_i128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_rounded_and_within_their_digits() {
        for (text, expected) in [
            ("12.345", Some(1235)),
            ("-0.005", Some(-1)),
            ("1.5e2", Some(15_000)),
            ("+7", Some(700)),
            ("1e-90", Some(0)),
            ("123456", None),
            ("1,5", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(decimal(text, 5, 2), expected, "{text}");
        }
    }
}
