//! Records brought to the types of their columns, as JSON that the host reads.
//!
//! Numbers are handled as text: a schema's `big_integer` has more digits than any type of Rust. What says the same in another form
//! is taken (`"12"` and `12.0` in a column of integers); nothing is rounded, and nothing is cut off but digits of a second beyond the
//! sixth.

use std::collections::HashMap;

use serde_json::value::RawValue;

use asgard_airbyte::shape::Shape;

/// A value that does not fit its column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Where in the record: `address.city`, `tags[]`.
    pub place: String,
    /// The value, shortened, and the type.
    pub reason: String,
}

/// What was written of a record.
#[derive(Debug, Default)]
pub struct Written {
    /// Values that became null, since they do not fit.
    pub misfits: Vec<Misfit>,
    /// Fields that no column has.
    pub unknown: Vec<String>,
}

/// A record's fields.
pub type Fields<'a> = HashMap<String, &'a RawValue>;

/// The fields of an object, or none for anything else.
pub fn fields(raw: &str) -> Option<Fields<'_>> {
    serde_json::from_str(raw).ok()
}

/// Writes a row: one line of JSON with every column that has a value.
pub fn write_row(columns: &[(String, Shape)], record: &Fields<'_>, out: &mut Vec<u8>) -> Written {
    let mut writer = Writer { out, written: Written::default() };
    writer.structure(columns, record, "");
    writer.out.push(b'\n');
    writer.written
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    written: Written,
}

impl Writer<'_> {
    fn structure(&mut self, shapes: &[(String, Shape)], object: &Fields<'_>, place: &str) {
        self.out.push(b'{');
        let mut first = true;
        let mut known = 0;
        for (name, shape) in shapes {
            let Some(raw) = object.get(name) else { continue };
            known += 1;
            if raw.get() == "null" {
                continue;
            }
            let start = self.out.len();
            if !first {
                self.out.push(b',');
            }
            self.text(name);
            self.out.push(b':');
            if self.value(shape, raw.get(), &below(place, name)) {
                first = false;
            } else {
                self.out.truncate(start);
            }
        }
        self.out.push(b'}');
        if known < object.len() {
            let unknown = object.keys().filter(|name| !shapes.iter().any(|(known, _)| known == *name));
            self.written.unknown.extend(unknown.map(|name| below(place, name)));
        }
    }

    /// False: the value is null, or does not fit. What was written of it is for the caller to take back.
    fn value(&mut self, shape: &Shape, raw: &str, place: &str) -> bool {
        if raw == "null" {
            return false;
        }
        match shape {
            Shape::Text => {
                if raw.starts_with('"') {
                    self.out.extend_from_slice(raw.as_bytes());
                } else {
                    self.text(raw);
                }
                true
            }
            Shape::List(element) => {
                let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw) else {
                    return self.misfit(shape, raw, place);
                };
                let place = format!("{place}[]");
                self.out.push(b'[');
                for (index, each) in elements.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    let start = self.out.len();
                    if !self.value(element, each.get(), &place) {
                        self.out.truncate(start);
                        self.out.extend_from_slice(b"null");
                    }
                }
                self.out.push(b']');
                true
            }
            Shape::Struct(shapes) => match fields(raw).filter(|_| raw.starts_with('{')) {
                Some(object) => {
                    self.structure(shapes, &object, place);
                    true
                }
                None => self.misfit(shape, raw, place),
            },
            plain => match brought(plain, raw) {
                Some(text) => {
                    self.out.extend_from_slice(text.as_bytes());
                    true
                }
                None => self.misfit(shape, raw, place),
            },
        }
    }

    fn misfit(&mut self, shape: &Shape, raw: &str, place: &str) -> bool {
        let mut shown: String = raw.chars().take(40).collect();
        if shown.len() < raw.len() {
            shown.push('…');
        }
        let reason = format!("`{shown}` is no {shape}");
        self.written.misfits.push(Misfit { place: place.to_owned(), reason });
        false
    }

    fn text(&mut self, text: &str) {
        // Writing a string to memory does not fail.
        let _ = serde_json::to_writer(&mut *self.out, text);
    }
}

fn below(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// A plain value in the form that the host reads for the type; none when it has none.
fn brought(shape: &Shape, raw: &str) -> Option<String> {
    let text = if raw.starts_with('"') { serde_json::from_str::<String>(raw).ok()? } else { raw.to_owned() };
    let is_text = raw.starts_with('"');
    let is_plain = !raw.starts_with(['{', '[']);
    let quoted = |text: String| format!("\"{text}\"");
    match shape {
        Shape::Boolean => match text.as_str() {
            "true" | "false" => Some(text),
            _ => None,
        },
        Shape::Long if is_plain => integer(&text)?.parse::<i64>().ok().map(|number| number.to_string()),
        Shape::Double if is_plain => {
            let number: f64 = text.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
            // As the source wrote it, where that is a number of JSON.
            Some(if is_text { number.to_string() } else { text })
        }
        Shape::Decimal { precision, scale } if is_plain => decimal(&text, *precision, *scale).map(quoted),
        Shape::Date if is_text => {
            let (day, rest) = day(text.trim())?;
            let is_midnight =
                rest.is_empty() || rest.trim_start_matches(['T', ' ', ':', '0', '.']).trim_end_matches('Z').is_empty();
            is_midnight.then(|| quoted(day))
        }
        Shape::Time if is_text => {
            let (time, rest) = time(text.trim())?;
            rest.is_empty().then(|| quoted(time))
        }
        Shape::Timestamp { zone } if is_text => timestamp(text.trim(), *zone).map(quoted),
        Shape::Binary if is_text => Some(raw.to_owned()),
        _ => None,
    }
}

/// The digits of a whole number, however it is written.
fn integer(text: &str) -> Option<String> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    // More digits than any column has.
    let zeros = usize::try_from(exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?).ok().filter(|n| *n < 64)?;
    let all = format!("{whole}{fraction}{}", "0".repeat(zeros));
    let all = all.trim_start_matches('0');
    let all = if all.is_empty() { "0" } else { all };
    Some(if negative && all != "0" { format!("-{all}") } else { all.to_owned() })
}

fn decimal(text: &str, precision: usize, scale: usize) -> Option<String> {
    if let Some(whole) = integer(text) {
        return (whole.trim_start_matches('-').len() + scale <= precision).then_some(whole);
    }
    let (whole, fraction) = text.trim().split_once('.')?;
    let fraction = fraction.trim_end_matches('0');
    let whole = integer(whole)?;
    let fits = fraction.len() <= scale
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && whole.trim_start_matches('-').len() + scale <= precision;
    let sign = if text.trim().starts_with('-') && !whole.starts_with('-') { "-" } else { "" };
    fits.then(|| format!("{sign}{whole}.{fraction}"))
}

/// `2024-02-29`, and what is behind it.
fn day(text: &str) -> Option<(String, &str)> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let mut number = |length: usize| {
        let part = parts.next().filter(|part| part.len() == length && part.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse::<u32>().ok()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (year > 0 && (1..=longest).contains(&day)).then(|| (date.to_owned(), rest))
}

/// `12:34:56.789`, to the microsecond, and what is behind it. Digits beyond are dropped only where they are zeros.
fn time(text: &str) -> Option<(String, &str)> {
    let two = |from: usize, below: u32| {
        let number: u32 =
            text.get(from..from + 2).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
        (number < below).then_some(number)
    };
    let (hour, minute) = (two(0, 24)?, two(3, 60)?);
    if text.get(2..3) != Some(":") {
        return None;
    }
    let mut rest = text.get(5..)?;
    let mut second = 0;
    let mut fraction = "";
    if rest.starts_with(':') {
        second = two(6, 60)?;
        rest = text.get(8..)?;
        if let Some(behind) = rest.strip_prefix(['.', ',']) {
            let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
            (fraction, rest) = behind.split_at(end);
            if fraction.is_empty() {
                return None;
            }
        }
    }
    // A source may know nanoseconds; tables know microseconds.
    let fraction = fraction.get(..6).unwrap_or(fraction);
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    Some((format!("{hour:02}:{minute:02}:{second:02}{fraction}"), rest))
}

/// With a zone: one that is not told is UTC, as everywhere in the protocol. Without one: what was told as a moment is that moment in
/// UTC.
fn timestamp(text: &str, zone: bool) -> Option<String> {
    let (day, rest) = day(text)?;
    let (time, rest) =
        if rest.is_empty() { ("00:00:00".to_owned(), "") } else { time(rest.strip_prefix(['T', 't', ' '])?)? };
    let offset = offset(rest.trim())?;
    match (zone, offset) {
        (true, None) => Some(format!("{day}T{time}Z")),
        (true, Some(minutes)) => Some(format!("{day}T{time}{}", written_offset(minutes))),
        (false, None | Some(0)) => Some(format!("{day}T{time}")),
        // The host moves it to UTC, which it can without a calendar of ours.
        (false, Some(minutes)) => Some(format!("{day}T{time}{}", written_offset(minutes))),
    }
}

fn written_offset(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// Minutes east of UTC; the inner none: no zone is told.
#[expect(clippy::option_option, reason = "a zone that cannot be read is not the same as none")]
fn offset(text: &str) -> Option<Option<i32>> {
    match text {
        "" => return Some(None),
        "Z" | "z" | "UTC" => return Some(Some(0)),
        _ => {}
    }
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let digits: String = text.get(1..)?.chars().filter(|c| *c != ':').collect();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<i32>().ok()?, 0),
        4 => (digits.get(..2)?.parse::<i32>().ok()?, digits.get(2..)?.parse::<i32>().ok()?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(Some(sign * (hours * 60 + minutes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(shape: &str, raw: &str) -> String {
        let columns = vec![("c".to_owned(), Shape::parse(shape).unwrap())];
        let record = format!("{{\"c\":{raw}}}");
        let mut out = Vec::new();
        let written = write_row(&columns, &fields(&record).unwrap(), &mut out);
        let text = String::from_utf8(out).unwrap().trim_end().to_owned();
        if written.misfits.is_empty() { text } else { format!("{text} {}", written.misfits[0].reason) }
    }

    #[test]
    fn values_that_say_the_same_in_another_form_are_taken() {
        for (shape, raw, expected) in [
            ("boolean", "true", "true"),
            ("boolean", "\"false\"", "false"),
            ("long", "9007199254740993", "9007199254740993"),
            ("long", "12.0", "12"),
            ("long", "1.5e3", "1500"),
            ("long", "\"-7\"", "-7"),
            ("double", "0.1", "0.1"),
            ("double", "\"2.5\"", "2.5"),
            ("decimal(38,0)", "99999999999999999999999999999999999999", "\"99999999999999999999999999999999999999\""),
            ("decimal(38,0)", "\"-12\"", "\"-12\""),
            ("decimal(10,2)", "\"-0.50\"", "\"-0.5\""),
            ("date", "\"2024-02-29\"", "\"2024-02-29\""),
            ("date", "\"2024-02-29T00:00:00Z\"", "\"2024-02-29\""),
            ("time", "\"12:34:56.789\"", "\"12:34:56.789\""),
            ("timestamptz", "\"2024-02-29T12:00:00+02:00\"", "\"2024-02-29T12:00:00+02:00\""),
            ("timestamptz", "\"2024-02-29 12:00:00.1234567\"", "\"2024-02-29T12:00:00.123456Z\""),
            ("timestamptz", "\"2024-02-29\"", "\"2024-02-29T00:00:00Z\""),
            ("timestamp", "\"2024-02-29T12:00\"", "\"2024-02-29T12:00:00\""),
            ("timestamp", "\"2024-02-29T12:00:00Z\"", "\"2024-02-29T12:00:00\""),
            ("timestamp", "\"2024-02-29T12:00:00-0130\"", "\"2024-02-29T12:00:00-01:30\""),
            ("string", "\"a\\u00e4\"", "\"a\\u00e4\""),
            ("string", "{\"a\": [1, 2.50]}", "\"{\\\"a\\\": [1, 2.50]}\""),
            ("string", "7", "\"7\""),
            ("list<long>", "[1, null, \"3\"]", "[1,null,3]"),
            ("struct<a:long,b:string>", "{\"b\": \"x\", \"a\": 1}", "{\"a\":1,\"b\":\"x\"}"),
            ("binary", "\"AAE=\"", "\"AAE=\""),
        ] {
            assert_eq!(written(shape, raw), format!("{{\"c\":{expected}}}"), "{shape} {raw}");
        }
        assert_eq!(written("long", "null"), "{}");
    }

    #[test]
    fn values_that_do_not_fit_are_told_and_left_out() {
        for (shape, raw) in [
            ("boolean", "1"),
            ("long", "1.5"),
            ("long", "9223372036854775808"),
            ("long", "\"abc\""),
            ("long", "[1]"),
            ("double", "\"NaN\""),
            ("decimal(38,0)", "1.5"),
            ("decimal(38,0)", "1e40"),
            ("date", "\"2023-02-29\""),
            ("date", "\"2024-02-29T12:00:00Z\""),
            ("date", "20240229"),
            ("time", "\"25:00:00\""),
            ("timestamptz", "\"yesterday\""),
            ("timestamptz", "1709208000"),
            ("list<long>", "{}"),
            ("struct<a:long>", "[]"),
        ] {
            let written = written(shape, raw);
            assert!(written.starts_with("{} ") && written.contains("is no"), "{shape} {raw}: {written}");
        }
    }

    #[test]
    fn fields_that_no_column_has_are_told_with_their_place() {
        let columns = vec![("a".to_owned(), Shape::parse("struct<b:long>").unwrap())];
        let mut out = Vec::new();
        let written = write_row(&columns, &fields(r#"{"a":{"b":1,"c":2},"d":3}"#).unwrap(), &mut out);
        let mut unknown = written.unknown;
        unknown.sort();
        assert_eq!(unknown, ["a.c", "d"]);
        assert_eq!(out, b"{\"a\":{\"b\":1}}\n");
    }
}
