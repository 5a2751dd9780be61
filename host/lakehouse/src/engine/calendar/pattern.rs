//! Patterns of dates and times: Java's letters (`yyyy-MM-dd HH:mm`; Spark, and Trino's `format_datetime`) and MySQL's percent
//! signs (`%Y-%m-%d`; Trino's `date_format`). A letter that is not known is refused, never printed as it is.

use super::reading::{fraction, number, offset_of_local};
use super::{DAY, Date, HOUR, MINUTE, SECOND, days_in_month, iso_week, weekday};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Letters of a short name.
const SHORT: usize = 3;

/// One part of a pattern. Widths are the fewest digits; in reading, a width of two or more is exact.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Year(usize),
    YearOfCentury,
    Month(usize),
    MonthName {
        full: bool,
    },
    Day(usize),
    DayOfYear(usize),
    WeekdayName {
        full: bool,
    },
    Quarter,
    IsoYear,
    IsoWeek(usize),
    Hour(usize),
    /// 1 to 12.
    HalfDayHour(usize),
    HalfDay,
    Minute(usize),
    Second(usize),
    /// This many digits; in reading with `loose`, up to nine.
    Fraction {
        digits: usize,
        loose: bool,
    },
    /// `Z`, or `+00:00` without `z`.
    Offset {
        z: bool,
        colon: bool,
    },
    ZoneName,
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Pattern(Vec<Part>);

impl Pattern {
    /// Java's letters.
    pub(in crate::engine) fn java(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let letters: Vec<char> = text.chars().collect();
        let mut at = 0;
        while let Some(&letter) = letters.get(at) {
            if letter == '\'' {
                at += 1;
                let start = at;
                while letters.get(at).is_some_and(|&next| next != '\'') {
                    at += 1;
                }
                let quoted: String = letters[start..at].iter().collect();
                push_text(&mut parts, if quoted.is_empty() { "'" } else { &quoted });
                at += 1;
                continue;
            }
            if !letter.is_ascii_alphabetic() {
                push_text(&mut parts, &letter.to_string());
                at += 1;
                continue;
            }
            let count = letters[at..].iter().take_while(|&&next| next == letter).count();
            at += count;
            parts.push(java_part(letter, count).ok_or_else(|| {
                format!("`{}` in the pattern `{text}` is not supported", letter.to_string().repeat(count))
            })?);
        }
        Ok(Self(parts))
    }

    /// MySQL's percent signs.
    pub(in crate::engine) fn mysql(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                push_text(&mut parts, &letter.to_string());
                continue;
            }
            let colon = Part::Text(":".to_owned());
            match letters.next() {
                Some('Y') => parts.push(Part::Year(4)),
                Some('y') => parts.push(Part::YearOfCentury),
                Some('m') => parts.push(Part::Month(2)),
                Some('c') => parts.push(Part::Month(1)),
                Some('M') => parts.push(Part::MonthName { full: true }),
                Some('b') => parts.push(Part::MonthName { full: false }),
                Some('d') => parts.push(Part::Day(2)),
                Some('e') => parts.push(Part::Day(1)),
                Some('j') => parts.push(Part::DayOfYear(3)),
                Some('W') => parts.push(Part::WeekdayName { full: true }),
                Some('a') => parts.push(Part::WeekdayName { full: false }),
                Some('x') => parts.push(Part::IsoYear),
                Some('v') => parts.push(Part::IsoWeek(2)),
                Some('H') => parts.push(Part::Hour(2)),
                Some('k') => parts.push(Part::Hour(1)),
                Some('h' | 'I') => parts.push(Part::HalfDayHour(2)),
                Some('l') => parts.push(Part::HalfDayHour(1)),
                Some('p') => parts.push(Part::HalfDay),
                Some('i') => parts.push(Part::Minute(2)),
                Some('s' | 'S') => parts.push(Part::Second(2)),
                Some('f') => parts.push(Part::Fraction { digits: 6, loose: true }),
                Some('T') => parts.extend([Part::Hour(2), colon.clone(), Part::Minute(2), colon, Part::Second(2)]),
                Some('r') => parts.extend([
                    Part::HalfDayHour(2),
                    colon.clone(),
                    Part::Minute(2),
                    colon,
                    Part::Second(2),
                    Part::Text(" ".to_owned()),
                    Part::HalfDay,
                ]),
                Some('%') => push_text(&mut parts, "%"),
                Some(other) if "DUuVwX".contains(other) => {
                    return Err(format!("`%{other}` in the pattern `{text}` is not supported"));
                }
                // Any other letter stands for itself.
                Some(other) => push_text(&mut parts, &other.to_string()),
                None => return Err(format!("the pattern `{text}` ends with a single %")),
            }
        }
        Ok(Self(parts))
    }

    /// Writes a moment (as a clock of UTC shows it).
    pub(in crate::engine) fn write(&self, micros: i64, out: &mut String) {
        use std::fmt::Write as _;
        let days = micros.div_euclid(DAY);
        let of_day = micros.rem_euclid(DAY);
        let date = Date::of_days(days);
        let hour = of_day / HOUR;
        for part in &self.0 {
            // Writing to a string does not fail.
            let _ = match part {
                Part::Text(text) => write!(out, "{text}"),
                Part::Year(width) => write!(out, "{:0width$}", date.year, width = *width),
                Part::YearOfCentury => write!(out, "{:02}", date.year.rem_euclid(100)),
                Part::Month(width) => write!(out, "{:0width$}", date.month, width = *width),
                Part::MonthName { full } => write!(out, "{}", name(&MONTHS, date.month, *full)),
                Part::Day(width) => write!(out, "{:0width$}", date.day, width = *width),
                Part::DayOfYear(width) => write!(out, "{:0width$}", date.day_of_year(), width = *width),
                Part::WeekdayName { full } => write!(out, "{}", name(&WEEKDAYS, weekday(days), *full)),
                Part::Quarter => write!(out, "{}", (date.month - 1) / 3 + 1),
                Part::IsoYear => write!(out, "{:04}", iso_week(days).0),
                Part::IsoWeek(width) => write!(out, "{:0width$}", iso_week(days).1, width = *width),
                Part::Hour(width) => write!(out, "{hour:0width$}", width = *width),
                Part::HalfDayHour(width) => write!(out, "{:0width$}", (hour + 11) % 12 + 1, width = *width),
                Part::HalfDay => write!(out, "{}", if hour < 12 { "AM" } else { "PM" }),
                Part::Minute(width) => write!(out, "{:0width$}", of_day / MINUTE % 60, width = *width),
                Part::Second(width) => write!(out, "{:0width$}", of_day / SECOND % 60, width = *width),
                Part::Fraction { digits, .. } => {
                    let nine = format!("{:06}000", of_day % SECOND);
                    write!(out, "{}", &nine[..(*digits).min(9)])
                }
                Part::Offset { z: true, .. } => write!(out, "Z"),
                Part::Offset { colon, .. } => write!(out, "{}", if *colon { "+00:00" } else { "+0000" }),
                Part::ZoneName => write!(out, "UTC"),
            };
        }
    }

    /// Reads a text that has exactly this pattern; in UTC where the pattern has a zone. None: it has not.
    pub(in crate::engine) fn read(&self, text: &str) -> Option<i64> {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        let (mut hour, mut half_hour, mut half) = (0, None, None);
        let (mut minute, mut second, mut micros) = (0, 0, 0);
        let (mut day_of_year, mut zone) = (None, None);
        let mut rest = text;
        for part in &self.0 {
            match part {
                Part::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Year(width) => {
                    let (sign, unsigned) = rest.strip_prefix('-').map_or((1, rest), |unsigned| (-1, unsigned));
                    let found;
                    (found, rest) = digits(unsigned, *width, if *width == 1 { 9 } else { *width })?;
                    year = sign * found;
                }
                Part::YearOfCentury => {
                    let found;
                    (found, rest) = digits(rest, 2, 2)?;
                    year = 2000 + found;
                }
                Part::Month(width) => (month, rest) = digits(rest, *width, 2)?,
                Part::MonthName { full } => (month, rest) = named(&MONTHS, rest, *full)?,
                Part::Day(width) => (day, rest) = digits(rest, *width, 2)?,
                Part::DayOfYear(width) => {
                    let found;
                    (found, rest) = digits(rest, *width, 3)?;
                    day_of_year = Some(found);
                }
                Part::WeekdayName { full } => (_, rest) = named(&WEEKDAYS, rest, *full)?,
                Part::Hour(width) => (hour, rest) = digits(rest, *width, 2)?,
                Part::HalfDayHour(width) => {
                    let found;
                    (found, rest) = digits(rest, *width, 2)?;
                    half_hour = Some(found);
                }
                Part::HalfDay => {
                    let mark = rest.get(..2)?.to_ascii_uppercase();
                    half = Some(mark == "PM");
                    if mark != "PM" && mark != "AM" {
                        return None;
                    }
                    rest = &rest[2..];
                }
                Part::Minute(width) => (minute, rest) = digits(rest, *width, 2)?,
                Part::Second(width) => (second, rest) = digits(rest, *width, 2)?,
                Part::Fraction { digits, loose } => {
                    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
                    let taken = if *loose { count.min(9) } else { *digits };
                    let (found, _) = fraction(rest.get(..taken)?)?;
                    (micros, rest) = (found, &rest[taken..]);
                }
                Part::Offset { .. } | Part::ZoneName => {
                    let end = rest.find(' ').unwrap_or(rest.len());
                    zone = Some(&rest[..end]);
                    rest = &rest[end..];
                }
                Part::Quarter | Part::IsoYear | Part::IsoWeek(_) => return None,
            }
        }
        if let Some(found) = half_hour {
            if !(1..=12).contains(&found) {
                return None;
            }
            hour = found % 12 + if half == Some(true) { 12 } else { 0 };
        }
        if !rest.is_empty() || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = match day_of_year {
            Some(index) if (1..=365 + days_in_month(year, 2) - 28).contains(&index) => {
                Date { year, month: 1, day: 1 }.days() + index - 1
            }
            Some(_) => return None,
            None => Date::checked(year, month, day)?.days(),
        };
        let local = days * DAY + hour * HOUR + minute * MINUTE + second * SECOND + micros;
        match zone {
            Some(zone) => local.checked_sub(offset_of_local(zone, local)?),
            None => Some(local),
        }
    }
}

fn java_part(letter: char, count: usize) -> Option<Part> {
    Some(match (letter, count) {
        ('y' | 'u', 2) => Part::YearOfCentury,
        ('y' | 'u', 1 | 3..=6) => Part::Year(count),
        ('M' | 'L', 1 | 2) => Part::Month(count),
        ('M' | 'L', 3) => Part::MonthName { full: false },
        ('M' | 'L', 4) => Part::MonthName { full: true },
        ('d', 1 | 2) => Part::Day(count),
        ('D', 1..=3) => Part::DayOfYear(count),
        ('E', 1..=3) => Part::WeekdayName { full: false },
        ('E', 4) => Part::WeekdayName { full: true },
        ('q' | 'Q', 1) => Part::Quarter,
        ('H', 1 | 2) => Part::Hour(count),
        ('h', 1 | 2) => Part::HalfDayHour(count),
        ('a', 1) => Part::HalfDay,
        ('m', 1 | 2) => Part::Minute(count),
        ('s', 1 | 2) => Part::Second(count),
        ('S', 1..=9) => Part::Fraction { digits: count, loose: false },
        ('X', 3) => Part::Offset { z: true, colon: true },
        ('X', 1 | 2) => Part::Offset { z: true, colon: false },
        ('x', 3) => Part::Offset { z: false, colon: true },
        ('x', 2) | ('Z', 1..=3) => Part::Offset { z: false, colon: false },
        ('z', 1..=3) | ('V', 2) => Part::ZoneName,
        _ => return None,
    })
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Text(before)) => before.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

/// `Mon` for 1.
pub(in crate::engine) fn short_weekday(number: i64) -> &'static str {
    name(&WEEKDAYS, number, false)
}

/// `Jan` for 1.
pub(in crate::engine) fn short_month(number: i64) -> &'static str {
    name(&MONTHS, number, false)
}

fn name<'a>(names: &[&'a str], number: i64, full: bool) -> &'a str {
    let name = usize::try_from(number - 1).ok().and_then(|index| names.get(index)).copied().unwrap_or_default();
    if full { name } else { &name[..name.len().min(SHORT)] }
}

fn digits(text: &str, width: usize, most: usize) -> Option<(i64, &str)> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count().min(most);
    let (found, _) = number(&text[..count], width, most)?;
    Some((found, &text[count..]))
}

fn named<'a>(names: &[&str], text: &'a str, full: bool) -> Option<(i64, &'a str)> {
    for (number, name) in (1..).zip(names) {
        let name = if full { name } else { &name[..SHORT] };
        if text.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name)) {
            return Some((number, &text[name.len()..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::reading::{Partial, moment};
    use super::*;

    #[test]
    fn patterns_write_and_read_the_same_moment() {
        let at = moment("2024-03-09 15:04:05.678", Partial::Refused).unwrap().micros;
        let cases = [
            (Pattern::java("yyyy-MM-dd'T'HH:mm:ss.SSS"), "2024-03-09T15:04:05.678"),
            (Pattern::java("EEEE, d MMMM yyyy h:mm:ss.SSS a"), "Saturday, 9 March 2024 3:04:05.678 PM"),
            (Pattern::java("yyyyMMdd HHmmss.SSSXXX"), "20240309 150405.678Z"),
            (Pattern::mysql("%Y-%m-%d %H:%i:%s.%f"), "2024-03-09 15:04:05.678000"),
            (Pattern::mysql("%e %b %Y %r .%f"), "9 Mar 2024 03:04:05 PM .678000"),
        ];
        for (pattern, expected) in cases {
            let pattern = pattern.unwrap();
            let mut written = String::new();
            pattern.write(at, &mut written);
            assert_eq!(written, expected);
            if !expected.contains("yyyyMMdd") {
                assert_eq!(pattern.read(expected), Some(at), "{expected}");
            }
        }
        assert!(Pattern::java("YYYY").is_err());
        assert!(Pattern::mysql("%U").is_err());
        assert_eq!(Pattern::java("yyyy-MM-dd").unwrap().read("2024-3-9"), None);
    }
}
