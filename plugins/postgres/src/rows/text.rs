//! Values as PostgreSQL writes them: the log has them so, with the settings of [`crate::replication::feed`].

use super::fault::Fault;
use super::values::{EPOCH_DAYS, Values};
use crate::types::Oid;

/// What the text of a value depends on beside the column's type here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextForm {
    /// `inet` leaves out a whole netmask, which its cast to text does not.
    address: bool,
    /// Between the elements of an array.
    delimiter: u8,
}

impl TextForm {
    /// Of values of a type.
    pub fn of(data_type: Oid) -> Self {
        const INET: [Oid; 2] = [869, 1041];
        /// The one built-in type with a delimiter of its own.
        const BOXES: Oid = 1020;
        Self { address: INET.contains(&data_type), delimiter: if data_type == BOXES { b';' } else { b',' } }
    }
}

impl Values {
    /// As [`Values::push`], of a value in its text form.
    pub(super) fn push_text(&mut self, text: &[u8], form: TextForm) -> Result<u64, Fault> {
        match self {
            Self::Boolean(builder) => builder.append_value(text == b"t"),
            Self::Int16(builder) | Self::Int32(builder) => builder.append_value(parsed(text)?),
            Self::Int64(builder) | Self::Oid(builder) => builder.append_value(parsed(text)?),
            Self::Float32(builder) => builder.append_value(parsed(text)?),
            Self::Float64(builder) => builder.append_value(parsed(text)?),
            Self::Decimal { builder, scale } => builder.append_value(decimal(text, *scale)?),
            Self::Text(builder) if form.address => builder.append_value(with_mask(text)),
            Self::Text(builder) | Self::Jsonb(builder) | Self::Uuid(builder) => builder.append_value(text),
            Self::Bytes(builder) => builder.append_value(hexadecimal(text)?),
            Self::Date(builder) => builder.append_value(date(text)?),
            Self::Time(builder) => builder.append_value(time(text)?),
            Self::Timestamp(builder) => builder.append_value(timestamp(text)?),
            Self::List(list) => {
                let elements = elements(text, form.delimiter)?;
                return list
                    .push_elements(elements.iter().map(Option::as_deref), |values, text| values.push_text(text, form));
            }
        }
        Ok(0)
    }
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Result<T, Fault> {
    str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Fault::Malformed)
}

/// `-12345.67`, times 10^`scale`.
fn decimal(text: &[u8], scale: u8) -> Result<i128, Fault> {
    if matches!(text, b"NaN" | b"Infinity" | b"-Infinity") {
        return Err(Fault::NoCounterpart);
    }
    let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits));
    let point = digits.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = point.map_or((digits, &[][..]), |point| (&digits[..point], &digits[point + 1..]));
    let (kept, dropped) = fraction.split_at(fraction.len().min(scale.into()));
    if dropped.iter().any(|digit| *digit != b'0') {
        return Err(Fault::Malformed);
    }
    let zeros = usize::from(scale) - kept.len();
    let mut value = 0_i128;
    for digit in whole.iter().chain(kept).copied().chain(std::iter::repeat_n(b'0', zeros)) {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10).ok_or(Fault::Malformed)?;
        value = value.checked_mul(10).and_then(|value| value.checked_add(digit.into())).ok_or(Fault::Malformed)?;
    }
    Ok(if negative { -value } else { value })
}

fn with_mask(text: &[u8]) -> Vec<u8> {
    let whole: &[u8] = match (text.contains(&b'/'), text.contains(&b':')) {
        (true, _) => b"",
        (false, true) => b"/128",
        (false, false) => b"/32",
    };
    [text, whole].concat()
}

/// `\x00ff10`.
fn hexadecimal(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let (pairs, rest) = text.strip_prefix(b"\\x").ok_or(Fault::Malformed)?.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    if !rest.is_empty() {
        return Err(Fault::Malformed);
    }
    pairs.iter().map(byte).collect::<Option<_>>().ok_or(Fault::Malformed)
}

/// `2024-02-29`, `0044-03-15 BC`, `infinity`.
fn date(text: &[u8]) -> Result<i32, Fault> {
    if is_infinite(text) {
        return Err(Fault::NoCounterpart);
    }
    let (text, before_christ) = era(text);
    let days = days(text, before_christ)?;
    i32::try_from(days).map_err(|_| Fault::NoCounterpart)
}

/// `03:04:05.6`.
fn time(text: &[u8]) -> Result<i64, Fault> {
    match microseconds(text)? {
        super::values::DAY_MICROSECONDS => Err(Fault::NoCounterpart),
        time => Ok(time),
    }
}

/// `2024-02-29 03:04:05.6`, with `+00` behind it for a type with time zone: the session's zone is UTC.
fn timestamp(text: &[u8]) -> Result<i64, Fault> {
    if is_infinite(text) {
        return Err(Fault::NoCounterpart);
    }
    let (text, before_christ) = era(text);
    let text = text.strip_suffix(b"+00").unwrap_or(text);
    let space = text.iter().position(|byte| *byte == b' ').ok_or(Fault::Malformed)?;
    let (day, time) = (days(&text[..space], before_christ)?, microseconds(&text[space + 1..])?);
    let day = day.checked_mul(super::values::DAY_MICROSECONDS).ok_or(Fault::NoCounterpart)?;
    day.checked_add(time).ok_or(Fault::NoCounterpart)
}

fn is_infinite(text: &[u8]) -> bool {
    matches!(text, b"infinity" | b"-infinity")
}

fn era(text: &[u8]) -> (&[u8], bool) {
    text.strip_suffix(b" BC").map_or((text, false), |text| (text, true))
}

/// From 1970-01-01, in the Gregorian calendar that PostgreSQL counts in for all times.
fn days(text: &[u8], before_christ: bool) -> Result<i64, Fault> {
    let mut parts = text.splitn(3, |byte| *byte == b'-').map(parsed::<i64>);
    let mut part = || parts.next().unwrap_or(Err(Fault::Malformed));
    let (year, month, day) = (part()?, part()?, part()?);
    let year = if before_christ { 1 - year } else { year };
    // Years begin in March, so that the day that leap years have more is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    // From 0000-03-01 to 2000-01-01, then on to 1970-01-01.
    Ok(era * 146_097 + day_of_era - 730_425 + i64::from(EPOCH_DAYS))
}

fn microseconds(text: &[u8]) -> Result<i64, Fault> {
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let mut parts = text[..point].splitn(3, |byte| *byte == b':').map(parsed::<i64>);
    let mut part = || parts.next().unwrap_or(Err(Fault::Malformed));
    let seconds = (part()? * 60 + part()?) * 60 + part()?;
    let fraction = decimal(&[b"0", &text[point..]].concat(), 6)?;
    Ok(seconds * 1_000_000 + i64::try_from(fraction).map_err(|_| Fault::Malformed)?)
}

/// The elements of an array of one dimension: `{1,NULL,"a \"quoted\" one"}`, bounds before it or not.
fn elements(text: &[u8], delimiter: u8) -> Result<Vec<Option<Vec<u8>>>, Fault> {
    let text = match text.first() {
        Some(b'[') => {
            let equals = text.iter().position(|byte| *byte == b'=').ok_or(Fault::Malformed)?;
            &text[equals + 1..]
        }
        _ => text,
    };
    let inner = text.strip_prefix(b"{").and_then(|text| text.strip_suffix(b"}")).ok_or(Fault::Malformed)?;
    if inner.first() == Some(&b'{') {
        return Err(Fault::NoCounterpart);
    }
    let mut elements = Vec::new();
    if inner.is_empty() {
        return Ok(elements);
    }
    let (mut element, mut quoted, mut within) = (Vec::new(), false, false);
    let mut bytes = inner.iter().copied();
    let whole = |element: Vec<u8>, quoted: bool| (quoted || !element.eq_ignore_ascii_case(b"NULL")).then_some(element);
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => element.push(bytes.next().ok_or(Fault::Malformed)?),
            b'"' => (within, quoted) = (!within, true),
            _ if byte == delimiter && !within => {
                elements.push(whole(std::mem::take(&mut element), quoted));
                quoted = false;
            }
            _ => element.push(byte),
        }
    }
    elements.push(whole(element, quoted));
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_the_same_numbers_as_in_binary() {
        assert_eq!(date(b"1970-01-01"), Ok(0));
        assert_eq!(date(b"2024-02-29"), Ok(19_782));
        assert_eq!(date(b"0044-03-15 BC"), Ok(-735_160));
        assert_eq!(date(b"infinity"), Err(Fault::NoCounterpart));
        assert_eq!(timestamp(b"1969-12-31 23:59:59.999999"), Ok(-1));
        assert_eq!(timestamp(b"2025-12-31 22:00:00+00"), Ok(1_767_218_400_000_000));
        assert_eq!(timestamp(b"4714-11-24 00:00:00+00 BC"), Ok(-210_866_803_200_000_000));
        assert_eq!(timestamp(b"294276-12-31 23:59:59+00"), Err(Fault::NoCounterpart));
        assert_eq!(time(b"23:59:59.999999"), Ok(86_399_999_999));
        assert_eq!(time(b"24:00:00"), Err(Fault::NoCounterpart));
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(decimal(b"-12345678.90", 2), Ok(-1_234_567_890));
        assert_eq!(decimal(b"99999999999999999999999999999999999999", 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(decimal(b"0.5", 3), Ok(500));
        assert_eq!(decimal(b"NaN", 3), Err(Fault::NoCounterpart));
        assert_eq!(decimal(b"1.25", 1), Err(Fault::Malformed));
        assert_eq!(hexadecimal(b"\\x00fF10"), Ok(vec![0, 255, 16]));
        assert_eq!(hexadecimal(b"\\x0"), Err(Fault::Malformed));
    }

    #[test]
    fn arrays_are_taken_apart() {
        let of = |text: &str| {
            let found = elements(text.as_bytes(), b',')?;
            Ok::<_, Fault>(found.into_iter().map(|e| e.map(|e| String::from_utf8(e).unwrap())).collect::<Vec<_>>())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("{}"), Ok(vec![]));
        assert_eq!(of("{1,NULL,3}"), Ok(vec![some("1"), None, some("3")]));
        assert_eq!(of("[-2:-1]={7,8}"), Ok(vec![some("7"), some("8")]));
        assert_eq!(of(r#"{"a,b","NULL","q\"\\",""}"#), Ok(vec![some("a,b"), some("NULL"), some("q\"\\"), some("")]));
        assert_eq!(of("{{1},{2}}"), Err(Fault::NoCounterpart));
    }
}
