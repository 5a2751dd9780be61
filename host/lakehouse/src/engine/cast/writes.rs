//! Values to text.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, PrimitiveArray, StringArray, StringBuilder};
use datafusion::arrow::datatypes::{Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType};

use crate::engine::calendar::reading::offset_at;
use crate::engine::calendar::{DAY, Date, HOUR, MINUTE, SECOND};
use crate::engine::numbers::decimal::Rules;

/// Digits of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Digits {
    /// Without zeros at the end: Spark.
    AsNeeded,
    /// As many as the type has: Trino.
    Always(usize),
}

impl Digits {
    pub(in crate::engine) fn of(unit: TimeUnit, rules: Rules) -> Self {
        match (rules, unit) {
            (Rules::Spark, _) => Self::AsNeeded,
            (Rules::Trino, TimeUnit::Second) => Self::Always(0),
            (Rules::Trino, TimeUnit::Millisecond) => Self::Always(3),
            (Rules::Trino, TimeUnit::Microsecond | TimeUnit::Nanosecond) => Self::Always(6),
        }
    }
}

/// A zone is written by Trino only.
pub(super) fn moments(
    values: &PrimitiveArray<TimestampMicrosecondType>,
    zone: Option<&str>,
    digits: Digits,
) -> ArrayRef {
    let mut out = StringBuilder::new();
    let mut text = String::new();
    for value in values {
        let Some(micros) = value else {
            out.append_null();
            continue;
        };
        text.clear();
        let offset = zone.and_then(|zone| offset_at(zone, micros)).unwrap_or(0);
        moment(micros + offset, ' ', digits, &mut text);
        if let (Some(zone), Digits::Always(_)) = (zone, digits) {
            text.push(' ');
            text.push_str(zone);
        }
        out.append_value(&text);
    }
    Arc::new(out.finish())
}

/// As a clock shows it.
pub(in crate::engine) fn moment(micros: i64, between: char, digits: Digits, out: &mut String) {
    let date = Date::of_days(micros.div_euclid(DAY));
    let of_day = micros.rem_euclid(DAY);
    let (hour, minute, second) = (of_day / HOUR, of_day / MINUTE % 60, of_day / SECOND % 60);
    // Writing to a string does not fail.
    let _ = write!(out, "{:04}-{:02}-{:02}{between}{hour:02}:{minute:02}:{second:02}", date.year, date.month, date.day);
    let fraction = format!("{:06}", of_day % SECOND);
    let fraction = match digits {
        Digits::AsNeeded => fraction.trim_end_matches('0'),
        Digits::Always(digits) => &fraction[..digits.min(6)],
    };
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
