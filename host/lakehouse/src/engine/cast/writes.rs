//! Values to text.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, PrimitiveArray, StringArray, StringBuilder};
use datafusion::arrow::datatypes::{Float32Type, Float64Type, TimestampMicrosecondType};

use crate::engine::calendar::{DAY, Date, HOUR, MINUTE, SECOND};
use crate::engine::numbers::decimal::Rules;

/// Spark cuts trailing zeros of the fraction, Trino writes as many digits as the type has.
pub(super) fn moments(values: &PrimitiveArray<TimestampMicrosecondType>, zoned: bool, rules: Rules) -> ArrayRef {
    let mut out = StringBuilder::new();
    let mut text = String::new();
    for value in values {
        let Some(micros) = value else {
            out.append_null();
            continue;
        };
        text.clear();
        moment(micros, rules, &mut text);
        if zoned && rules == Rules::Trino {
            text.push_str(" UTC");
        }
        out.append_value(&text);
    }
    Arc::new(out.finish())
}

fn moment(micros: i64, rules: Rules, out: &mut String) {
    let date = Date::of_days(micros.div_euclid(DAY));
    let of_day = micros.rem_euclid(DAY);
    let (hour, minute, second) = (of_day / HOUR, of_day / MINUTE % 60, of_day / SECOND % 60);
    // Writing to a string does not fail.
    let _ = write!(out, "{:04}-{:02}-{:02} {hour:02}:{minute:02}:{second:02}", date.year, date.month, date.day);
    let fraction = format!("{:06}", of_day % SECOND);
    let fraction = if rules == Rules::Spark { fraction.trim_end_matches('0') } else { fraction.as_str() };
    if !fraction.is_empty() {
        let _ = write!(out, ".{fraction}");
    }
}

pub(super) fn doubles(values: &PrimitiveArray<Float64Type>, rules: Rules) -> ArrayRef {
    let texts: StringArray =
        values.iter().map(|value| value.map(|value| number(&format!("{value:e}"), value, rules))).collect();
    Arc::new(texts)
}

pub(super) fn reals(values: &PrimitiveArray<Float32Type>, rules: Rules) -> ArrayRef {
    let texts: StringArray =
        values.iter().map(|value| value.map(|value| number(&format!("{value:e}"), f64::from(value), rules))).collect();
    Arc::new(texts)
}

/// From the shortest digits that tell the number from its neighbours, `1.25e-7`.
pub(in crate::engine) fn number(shortest: &str, value: f64, rules: Rules) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let with_point = if mantissa.contains('.') { mantissa.to_owned() } else { format!("{mantissa}.0") };
    let size = value.abs();
    // Java writes numbers of this size without an exponent; Trino always writes one.
    if rules == Rules::Spark && (size == 0.0 || (1e-3..1e7).contains(&size)) {
        let plain = plain(mantissa, exponent.parse().unwrap_or(0));
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    format!("{with_point}E{exponent}")
}

/// `1.25`, `-2` to `0.0125`.
fn plain(mantissa: &str, exponent: i32) -> String {
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent + 1;
    match usize::try_from(point) {
        Ok(point) if point >= digits.len() => format!("{sign}{digits}{}", "0".repeat(point - digits.len())),
        Ok(point) if point > 0 => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
        _ => format!("{sign}0.{}{digits}", "0".repeat(usize::try_from(-point).unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_each_dialect_does() {
        let cases = [
            (1.0, "1.0", "1.0E0"),
            (-0.0125, "-0.0125", "-1.25E-2"),
            (1234.5, "1234.5", "1.2345E3"),
            (1e7, "1.0E7", "1.0E7"),
            (9_999_999.0, "9999999.0", "9.999999E6"),
            (0.001, "0.001", "1.0E-3"),
            (0.0001, "1.0E-4", "1.0E-4"),
            (f64::NAN, "NaN", "NaN"),
        ];
        for (value, spark, trino) in cases {
            assert_eq!(number(&format!("{value:e}"), value, Rules::Spark), spark);
            assert_eq!(number(&format!("{value:e}"), value, Rules::Trino), trino);
        }
    }
}
