//! Texts of values and the types that they have.
//!
//! A text has a type only where the value says all that the text said: `007` is no number, nor is one with more digits than its
//! type holds. Types that a configuration gives are read less strictly, since somebody has said what they mean.

use std::fmt;

use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// The type of a column of text files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Decimal { precision: u8, scale: u8 },
    Date,
    Time,
    Timestamp,
    Timestamptz,
    String,
}

/// Larger whole numbers are not all numbers of 64-bit floats.
pub const EXACT_IN_DOUBLE: i64 = 1 << 53;

/// Digits that 128-bit decimals hold.
pub const DECIMAL_DIGITS: u8 = 38;

impl Kind {
    /// The forms that [`Kind::parse`] takes, for messages.
    pub const EXPECTED: &str = "`boolean`, `int`, `long`, `float`, `double`, `decimal(p,s)`, `date`, `time`, `timestamp`, `timestamptz` or `string`";

    /// Reads a type as Iceberg writes it; none for other types.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim() {
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "date" => Self::Date,
            "time" => Self::Time,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::Timestamptz,
            "string" => Self::String,
            other => {
                let (precision, scale) = other.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
                let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
                if precision == 0 || precision > DECIMAL_DIGITS || scale > precision {
                    return None;
                }
                Self::Decimal { precision, scale }
            }
        })
    }

    /// The type in Arrow.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            // At most 38.
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale.cast_signed()),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::String => DataType::Utf8,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::String => "string",
        })
    }
}

/// Whether a value must say all that its text said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Of an inferred type.
    Strict,
    /// Of a type that the configuration gives: zeros may lead, a `+` too, and spaces may stand around.
    Lenient,
}

/// `true`, `True`, `TRUE` and the like.
pub fn boolean(text: &str, reading: Reading) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ if reading == Reading::Strict => None,
        _ => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "0" => Some(false),
            _ => None,
        },
    }
}

/// A whole number as people write it: no zero leads, no `+`, no `-0`.
pub fn is_plain_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain && (!digits.starts_with('0') || text == "0")
}

/// A whole number of 64 bits.
pub fn long(text: &str, reading: Reading) -> Option<i64> {
    if reading == Reading::Strict && !is_plain_integer(text) {
        return None;
    }
    text.parse().ok()
}

/// Not a number, and the infinities.
pub fn not_finite(text: &str) -> Option<f64> {
    match text {
        "NaN" | "nan" => Some(f64::NAN),
        "Infinity" | "inf" | "Inf" | "+Infinity" => Some(f64::INFINITY),
        "-Infinity" | "-inf" | "-Inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A 64-bit float. Strictly, a whole number only where the float is it exactly.
pub fn double(text: &str, reading: Reading) -> Option<f64> {
    if let Some(value) = not_finite(text) {
        return Some(value);
    }
    if reading == Reading::Strict {
        if is_plain_integer(text) {
            let value: i64 = text.parse().ok()?;
            return (-EXACT_IN_DOUBLE..=EXACT_IN_DOUBLE).contains(&value).then_some(value as f64);
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (digits, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let leads = whole.len() > 1 && whole.starts_with('0');
        if !all_digits(whole)
            || leads
            || fraction.is_some_and(|fraction| !all_digits(fraction))
            || exponent.is_some_and(|exponent| !all_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
            || (fraction.is_none() && exponent.is_none())
        {
            return None;
        }
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// A decimal number as its digits, without the point; none where it has more digits than the type.
pub fn decimal(text: &str, precision: u8, scale: u8, reading: Reading) -> Option<i128> {
    if reading == Reading::Strict && scale == 0 && !is_plain_integer(text) {
        return None;
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > usize::from(scale) {
        return None;
    }
    let mut value: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
    }
    for _ in fraction.len()..usize::from(scale) {
        value = value.checked_mul(10)?;
    }
    (value < 10_i128.checked_pow(u32::from(precision))?).then_some(if negative { -value } else { value })
}

/// Days since 1970 of `2024-02-29`.
pub fn date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Microseconds since midnight of `12:34`, `12:34:56` or `12:34:56.789`.
pub fn time(text: &str) -> Option<i64> {
    let (text, micros) = fraction(text)?;
    let format = if text.len() == 5 && micros == 0 { "%H:%M" } else { "%H:%M:%S" };
    if text.len() != 5 && text.len() != 8 {
        return None;
    }
    let time = NaiveTime::parse_from_str(text, format).ok()?;
    // A leap second has no counterpart.
    let since = time.signed_duration_since(NaiveTime::MIN).num_seconds();
    (!text.ends_with(":60")).then_some(since * 1_000_000 + micros)
}

/// Microseconds since 1970 of `2024-02-29T12:34:56.789`, with `T` or a space, without an offset. A date alone is its midnight.
pub fn timestamp(text: &str) -> Option<i64> {
    if text.len() == 10 {
        return i64::from(date(text)?).checked_mul(86_400_000_000);
    }
    let (day, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    i64::from(date(day)?).checked_mul(86_400_000_000)?.checked_add(time(rest)?)
}

/// Microseconds since 1970 of a timestamp with `Z` or an offset: `+02:00`, `+0200`, `+02`.
pub fn timestamptz(text: &str) -> Option<i64> {
    let (day, rest) = text.split_at_checked(10)?;
    let place = rest.find(['Z', 'z', '+', '-'])?;
    let (time_of_day, zone) = rest.split_at(place);
    let local = timestamp(&format!("{day}{}", time_of_day.trim_end()))?;
    if time_of_day.is_empty() {
        return None;
    }
    let seconds = match zone {
        "Z" | "z" => 0,
        _ => offset(zone)?,
    };
    let micros = local.checked_sub(seconds * 1_000_000)?;
    // Proves that it is within the calendar.
    DateTime::from_timestamp_micros(micros).map(|_| micros)
}

fn offset(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text.get(1..)?.chars().filter(|c| *c != ':').collect();
    let well_formed = matches!(text.len(), 3 | 5 | 6) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes) = match (well_formed, digits.len()) {
        (true, 2) => (digits.parse::<i64>().ok()?, 0),
        (true, 4) => (digits.get(..2)?.parse::<i64>().ok()?, digits.get(2..)?.parse::<i64>().ok()?),
        _ => return None,
    };
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Splits the fraction of a second off. None where it is finer than a microsecond, which tables do not hold.
fn fraction(text: &str) -> Option<(&str, i64)> {
    let Some((before, digits)) = text.split_once('.') else { return Some((text, 0)) };
    let digits = if digits.len() > 6 { digits.trim_end_matches('0') } else { digits };
    if before.len() != 8 || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut micros: i64 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    for _ in digits.len()..6 {
        micros *= 10;
    }
    Some((before, micros))
}

/// Text of microseconds since 1970, for tests and messages.
pub fn shown_timestamp(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map(|time| NaiveDateTime::format(&time.naive_utc(), "%Y-%m-%dT%H:%M:%S%.f").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_say_all_of_their_text() {
        for text in ["0", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert!(long(text, Reading::Strict).is_some(), "{text}");
        }
        for text in ["007", "+5", "-0", "", "-", "1_000", "1,000", " 1", "9223372036854775808", "1.0", "0x10", "１"] {
            assert!(long(text, Reading::Strict).is_none(), "{text}");
        }
        for text in ["1.5", "-0.25", "1e5", "1E-5", "NaN", "-Infinity", "9007199254740992"] {
            assert!(double(text, Reading::Strict).is_some(), "{text}");
        }
        for text in ["01.5", ".5", "5.", "1e", "1e400", "9007199254740993", "1.5f", "1 .5", "+1.5"] {
            assert!(double(text, Reading::Strict).is_none(), "{text}");
        }
        assert_eq!(long("007", Reading::Lenient), Some(7));
        assert_eq!(double("+1.5", Reading::Lenient), Some(1.5));
    }

    #[test]
    fn decimals_keep_every_digit_or_do_not_fit() {
        for (text, value) in [
            ("12.50", Some(1250)),
            ("-0.01", Some(-1)),
            ("7", Some(700)),
            ("1.500", Some(150)),
            ("1.234", None),
            ("12345678", None),
            ("", None),
            ("1e2", None),
        ] {
            assert_eq!(decimal(text, 5, 2, Reading::Lenient), value, "{text}");
        }
        let largest = "9".repeat(38);
        assert!(decimal(&largest, 38, 0, Reading::Strict).is_some());
        assert!(decimal(&format!("{largest}0"), 38, 0, Reading::Strict).is_none());
    }

    #[test]
    fn dates_and_times_are_read_in_full_or_not_at_all() {
        assert_eq!(date("1970-01-02"), Some(1));
        assert_eq!(date("2024-02-29"), Some(19782));
        for text in ["2023-02-29", "2024-2-29", "20240229", "2024-02-29 ", "24-02-29"] {
            assert_eq!(date(text), None, "{text}");
        }
        for (text, shown) in [
            ("2024-02-29T12:34:56.789", "2024-02-29T12:34:56.789"),
            ("2024-02-29 12:34", "2024-02-29T12:34:00"),
            ("2024-02-29", "2024-02-29T00:00:00"),
            ("2024-02-29T12:34:56.123456000", "2024-02-29T12:34:56.123456"),
        ] {
            assert_eq!(shown_timestamp(timestamp(text).unwrap()), shown, "{text}");
        }
        for text in
            ["2024-02-29T12:34:56Z", "2024-02-29T25:00:00", "2024-02-29T23:59:60", "2024-02-29T12:34:56.1234567"]
        {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn offsets_are_taken_into_account() {
        let noon = timestamp("2024-02-29T10:00:00");
        for text in
            ["2024-02-29T12:00:00+02:00", "2024-02-29 12:00:00+02", "2024-02-29T05:00:00-0500", "2024-02-29T10:00:00Z"]
        {
            assert_eq!(timestamptz(text), noon, "{text}");
        }
        for text in ["2024-02-29T12:00:00", "2024-02-29+02:00", "2024-02-29T12:00:00+25:00", "2024-02-29T12:00:00 CET"]
        {
            assert_eq!(timestamptz(text), None, "{text}");
        }
    }
}
