//! Text that is a date or a moment, as casts read it: `2024-05-01`, `2024-05-01 13:45:59.123 +02:00`.

use std::str::FromStr;

use chrono::{DateTime, Offset, TimeZone};
use datafusion::arrow::array::timezone::Tz;

use super::{DAY, Date, HOUR, MINUTE, SECOND};

/// A moment that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Read {
    /// In UTC where the text has a zone, else as the clock shows it.
    pub(in crate::engine) micros: i64,
    /// As the clock shows it.
    pub(in crate::engine) local: i64,
    pub(in crate::engine) has_zone: bool,
}

/// Whether a year or a month alone is a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Partial {
    Allowed,
    Refused,
}

/// Reads a day; what follows it is left.
fn day(text: &str, partial: Partial) -> Option<(Date, &str)> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (year, rest) = number(rest, 4, 7)?;
    let year = sign * year;
    let Some(rest) = rest.strip_prefix('-') else {
        return (partial == Partial::Allowed && rest.is_empty()).then_some((Date { year, month: 1, day: 1 }, rest));
    };
    let (month, rest) = number(rest, 1, 2)?;
    let Some(rest) = rest.strip_prefix('-') else {
        let date = Date::checked(year, month, 1)?;
        return (partial == Partial::Allowed && rest.is_empty()).then_some((date, rest));
    };
    let (day, rest) = number(rest, 1, 2)?;
    Some((Date::checked(year, month, day)?, rest))
}

/// Reads a day. With [`Partial::Allowed`] anything may follow it after a space or `T`, as Spark has it.
pub(in crate::engine) fn date(text: &str, partial: Partial) -> Option<i64> {
    let (date, rest) = day(text.trim(), partial)?;
    let rest_is_fine = rest.is_empty() || (partial == Partial::Allowed && rest.starts_with([' ', 'T']));
    rest_is_fine.then(|| date.days())
}

/// Reads a moment: a day, perhaps a time, perhaps a zone (`Z`, `+02:00`, `Europe/Oslo`).
pub(in crate::engine) fn moment(text: &str, partial: Partial) -> Option<Read> {
    let (date, rest) = day(text.trim(), partial)?;
    let midnight = date.days().checked_mul(DAY)?;
    if rest.is_empty() {
        return Some(Read { micros: midnight, local: midnight, has_zone: false });
    }
    let rest = rest.strip_prefix([' ', 'T'])?;
    let (time, rest) = time(rest)?;
    let local = midnight.checked_add(time)?;
    let zone = rest.trim();
    if zone.is_empty() {
        return Some(Read { micros: local, local, has_zone: false });
    }
    Some(Read { micros: local.checked_sub(offset_of_local(zone, local)?)?, local, has_zone: true })
}

/// `13:45`, `13:45:59`, `13:45:59.123456`: microseconds of the day.
fn time(text: &str) -> Option<(i64, &str)> {
    let (hour, rest) = number(text, 1, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 1, 2)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => number(rest, 1, 2)?,
        None => (0, rest),
    };
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => fraction(rest)?,
        None => (0, rest),
    };
    let valid = hour < 24 && minute < 60 && second < 60;
    valid.then_some((hour * HOUR + minute * MINUTE + second * SECOND + fraction, rest))
}

/// Digits of a second to microseconds; those beyond are cut.
pub(super) fn fraction(text: &str) -> Option<(i64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 9 {
        return None;
    }
    let kept = &text[..digits.min(6)];
    let micros = kept.parse::<i64>().ok()? * 10_i64.pow(6 - u32::try_from(kept.len()).ok()?);
    Some((micros, &text[digits..]))
}

pub(super) fn number(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits < least || digits > most {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// What a zone's clock is ahead of UTC when it shows `local`, in microseconds.
pub(in crate::engine) fn offset_of_local(zone: &str, local: i64) -> Option<i64> {
    if let Some(fixed) = fixed_offset(zone) {
        return Some(fixed);
    }
    let naive = DateTime::from_timestamp_micros(local)?.naive_utc();
    let offset = Tz::from_str(zone).ok()?.offset_from_local_datetime(&naive).earliest()?;
    Some(i64::from(offset.fix().local_minus_utc()) * SECOND)
}

/// Likewise, at a moment of UTC.
pub(in crate::engine) fn offset_at(zone: &str, utc: i64) -> Option<i64> {
    if let Some(fixed) = fixed_offset(zone) {
        return Some(fixed);
    }
    let naive = DateTime::from_timestamp_micros(utc)?.naive_utc();
    let offset = Tz::from_str(zone).ok()?.offset_from_utc_datetime(&naive);
    Some(i64::from(offset.fix().local_minus_utc()) * SECOND)
}

/// `Z`, `UTC`, `+02:00`, `-0530`, `UTC+2`.
fn fixed_offset(zone: &str) -> Option<i64> {
    if ["z", "utc", "gmt"].iter().any(|name| zone.eq_ignore_ascii_case(name)) {
        return Some(0);
    }
    let zone = zone.strip_prefix("UTC").or_else(|| zone.strip_prefix("GMT")).unwrap_or(zone);
    let (sign, rest) = match zone.as_bytes().first()? {
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if rest.len() == 4 => rest.split_at(2),
        None => (rest, "0"),
    };
    let (hours, minutes) = (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * HOUR + minutes * MINUTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_their_zone_or_without() {
        let at = |text: &str| moment(text, Partial::Refused).map(|read| (read.micros, read.has_zone));
        assert_eq!(at("1970-01-01"), Some((0, false)));
        assert_eq!(at("1970-01-01T00:00:01.5"), Some((1_500_000, false)));
        assert_eq!(at("1970-01-01 01:00:00+01:00"), Some((0, true)));
        assert_eq!(at("1970-07-01 02:00:00 Europe/Oslo"), Some((181 * DAY + HOUR, true)));
        for bad in ["", "1970", "1970-13-01", "1970-02-30", "1970-01-01 24:00:00", "1970-01-01 x", "yesterday"] {
            assert_eq!(at(bad), None, "{bad}");
        }
        assert_eq!(date("1970-02", Partial::Allowed), Some(31));
        assert_eq!(date("1970-01-02 anything", Partial::Allowed), Some(1));
    }
}
