//! Numbers as a format writes them: `to_char`, `to_number` and `format_number`.
//!
//! A format of `to_char` and `to_number` is `[MI|S] [$] [0|9|,|G]… [.|D] [0|9]… [$] [PR|MI|S]`: `0` is a digit that has to be there, `9`
//! one that may be, `,` and `G` stand between groups, `S` is a sign, `MI` one of negative numbers alone, `PR` puts those in `<>`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, StringArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::dates::{java_written, timestamptz};
use super::text::value;
use super::{bytes, type_word};

/// More than any double has.
const PLACES_AT_MOST: usize = 1_100;

/// A run of digits in a format: how many, and whether all have to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digits {
    count: usize,
    exact: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Groups of digits with separators between them.
    Groups(Vec<Digits>),
    Point,
    Dollar,
    Sign,
    Minus,
    Open,
    Close,
}

/// A format, parsed.
#[derive(Debug)]
struct Format {
    text: String,
    parts: Vec<Part>,
    before: usize,
    after: usize,
}

impl Format {
    fn parse(text: &str) -> Result<Self> {
        let wrong = || -> Result<Self> {
            plan_err!("'{text}' is no format of numbers: expected [MI|S] [$] [0|9|,|G]… [.|D] [0|9]… [$] [PR|MI|S]")
        };
        let mut parts: Vec<Part> = Vec::new();
        let (mut after_point, mut after_separator) = (false, false);
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let mut length = letter.len_utf8();
            match letter {
                '0' | '9' => {
                    length = rest.len() - rest.trim_start_matches(['0', '9']).len();
                    let digits = Digits { count: length, exact: letter == '0' && !after_point };
                    match parts.last_mut() {
                        Some(Part::Groups(groups)) => groups.push(digits),
                        _ => parts.push(Part::Groups(vec![digits])),
                    }
                    after_separator = false;
                    rest = &rest[length..];
                    continue;
                }
                // Digits are before it and behind it, and the point is not.
                ',' | 'G' if matches!(parts.last(), Some(Part::Groups(_))) && !after_separator && !after_point => {
                    after_separator = true;
                    rest = &rest[length..];
                    continue;
                }
                _ if after_separator => return wrong(),
                '.' | 'D' => {
                    after_point = true;
                    parts.push(Part::Point);
                }
                '$' => parts.push(Part::Dollar),
                'S' => parts.push(Part::Sign),
                _ if rest.starts_with("MI") => {
                    length = 2;
                    parts.push(Part::Minus);
                }
                _ if rest.starts_with("PR") => {
                    length = 2;
                    parts.insert(0, Part::Open);
                    parts.push(Part::Close);
                }
                _ => return wrong(),
            }
            rest = &rest[length..];
        }
        if after_separator || !in_order(&parts) {
            return wrong();
        }
        let point = parts.iter().position(|part| *part == Part::Point).unwrap_or(parts.len());
        let digits = |parts: &[Part]| -> usize {
            let groups =
                parts.iter().filter_map(|part| if let Part::Groups(groups) = part { Some(groups) } else { None });
            groups.flatten().map(|digits| digits.count).sum()
        };
        let (before, after) = (digits(&parts[..point]), digits(&parts[point..]));
        if before + after > 38 {
            return plan_err!("the format '{text}' has more than 38 digits");
        }
        Ok(Self { text: text.to_owned(), before, after, parts })
    }

    fn decimal(&self) -> Result<DataType> {
        match (u8::try_from(self.before + self.after), i8::try_from(self.after)) {
            (Ok(precision), Ok(scale)) => Ok(DataType::Decimal128(precision, scale)),
            _ => plan_err!("the format '{}' has too many digits", self.text),
        }
    }
}

/// Whether the parts come as the format's grammar has them, each once, with digits among them.
fn in_order(parts: &[Part]) -> bool {
    let mut rest = parts.iter().peekable();
    let mut taken = |is: fn(&Part) -> bool| rest.next_if(|part| is(part)).is_some();
    taken(|part| *part == Part::Open);
    let signed = taken(|part| matches!(part, Part::Minus | Part::Sign));
    let dollar = taken(|part| *part == Part::Dollar);
    let whole = taken(|part| matches!(part, Part::Groups(_)));
    taken(|part| *part == Part::Point);
    let fraction = taken(|part| matches!(part, Part::Groups(_)));
    // Spark's grammar has a dollar at the end, and Spark refuses it there.
    let _ = dollar;
    let again = taken(|part| matches!(part, Part::Minus | Part::Sign | Part::Close));
    let twice = signed && again && {
        let signs = parts.iter().filter(|part| matches!(part, Part::Minus)).count();
        let others = parts.iter().filter(|part| matches!(part, Part::Sign)).count();
        signs > 1 || others > 1
    };
    rest.next().is_none() && (whole || fraction) && !twice
}

/// The literal format among a call's arguments.
fn literal<'v>(values: &[Option<&'v ScalarValue>], index: usize, name: &str) -> Result<Option<&'v str>> {
    match values.get(index).copied().flatten() {
        Some(value) if value.is_null() => Ok(None),
        Some(value) => match value.try_as_str() {
            Some(text) => Ok(text),
            None => plan_err!("{name} takes its format as text"),
        },
        None => plan_err!("{name} takes its format written out, as 'text'"),
    }
}

/// `to_number`'s: a decimal of as many digits as the format has.
pub(in crate::engine) fn number_type(_types: &[DataType], values: &[Option<&ScalarValue>]) -> Result<DataType> {
    match literal(values, 1, "to_number")? {
        Some(format) => Format::parse(format)?.decimal(),
        None => Ok(DataType::Decimal128(38, 0)),
    }
}

pub(in crate::engine) fn number_read(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    read(arguments, to, |text, format| exec_err!("the text '{text}' does not have the format '{format}'"))
}

pub(in crate::engine) fn number_tried(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    read(arguments, to, |_, _| Ok(()))
}

fn read(arguments: &[ArrayRef], to: &DataType, missing: impl Fn(&str, &str) -> Result<()>) -> Result<ArrayRef> {
    let (texts, formats) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let DataType::Decimal128(precision, scale) = *to else { return exec_err!("expected a decimal") };
    let mut last: Option<(&str, Format)> = None;
    let mut values = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let (Some(text), Some(format)) = (value(texts, row), value(formats, row)) else {
            values.push(None);
            continue;
        };
        let parsed = parsed(&mut last, format)?;
        let number = Reading::new(text).number(parsed);
        if number.is_none() {
            missing(text, format)?;
        }
        values.push(number);
    }
    Ok(Arc::new(PrimitiveArray::<Decimal128Type>::from(values).with_precision_and_scale(precision, scale)?))
}

fn parsed<'l, 'f>(last: &'l mut Option<(&'f str, Format)>, format: &'f str) -> Result<&'l Format> {
    if last.as_ref().is_none_or(|(text, _)| *text != format) {
        *last = Some((format, Format::parse(format)?));
    }
    match last {
        Some((_, parsed)) => Ok(parsed),
        None => exec_err!("expected a format"),
    }
}

/// A text that is read by a format.
struct Reading {
    letters: Vec<char>,
    at: usize,
    before: String,
    after: String,
}

impl Reading {
    fn new(text: &str) -> Self {
        Self { letters: text.chars().collect(), at: 0, before: String::new(), after: String::new() }
    }

    fn take(&mut self, wanted: char) -> bool {
        let is = self.letters.get(self.at) == Some(&wanted);
        self.at += usize::from(is);
        is
    }

    /// The unscaled number; none: the text is not of the format.
    fn number(mut self, format: &Format) -> Option<i128> {
        let (mut negative, mut after_point, mut open, mut closed) = (false, false, false, false);
        for part in &format.parts {
            match part {
                Part::Groups(groups) => self.groups(groups, after_point)?,
                Part::Point => after_point |= self.take('.'),
                Part::Dollar if self.at < self.letters.len() => self.take('$').then_some(())?,
                Part::Dollar => {}
                Part::Sign => {
                    if !self.take('+') {
                        negative ^= self.take('-');
                    }
                }
                Part::Minus => negative ^= self.take('-'),
                Part::Open => open = self.take('<'),
                Part::Close => {
                    closed = self.take('>');
                    negative ^= closed;
                }
            }
        }
        let Self { letters, at, before, after } = self;
        if at < letters.len() || open != closed || (before.is_empty() && after.is_empty()) {
            return None;
        }
        let number: i128 = format!("{before}{after:0<width$}", width = format.after).parse().ok()?;
        Some(if negative { -number } else { number })
    }

    /// Digits with commas, each group as long as the format's, counted from the right; white space is passed over.
    fn groups(&mut self, groups: &[Digits], after_point: bool) -> Option<()> {
        let mut sizes = vec![0];
        while let Some(letter) = self.letters.get(self.at) {
            match letter {
                letter if letter.is_whitespace() => {}
                letter if letter.is_ascii_digit() => {
                    *sizes.last_mut()? += 1;
                    if after_point { self.after.push(*letter) } else { self.before.push(*letter) }
                }
                ',' => sizes.push(0),
                _ => break,
            }
            self.at += 1;
        }
        if sizes.len() > groups.len() {
            return None;
        }
        let mut sizes = sizes.into_iter().rev();
        let fits = groups.iter().rev().all(|digits| {
            let size: usize = sizes.next().unwrap_or(0);
            if digits.exact { size == digits.count } else { size <= digits.count }
        });
        fits.then_some(())
    }
}

/// What `to_char` takes: a number, a moment, or binary.
pub(in crate::engine) fn written_type(types: &[DataType]) -> Result<DataType> {
    match types.first() {
        Some(DataType::Float32 | DataType::Float64) => {
            plan_err!("to_char takes a decimal, not a double: cast it")
        }
        Some(other) if other.is_numeric() || other.is_temporal() || other.is_null() => Ok(DataType::Utf8),
        Some(DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => Ok(DataType::Utf8),
        Some(other) => plan_err!("to_char takes a number, a moment or binary, not {}", type_word(other)),
        None => plan_err!("to_char takes a value and a format"),
    }
}

/// `to_char(value, format)`.
pub(in crate::engine) fn written(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let values = &arguments[0];
    let formats = arguments[1].as_string::<i32>();
    match values.data_type() {
        DataType::Null => Ok(Arc::new(StringArray::new_null(values.len()))),
        DataType::Date32 | DataType::Date64 => {
            java_written(&[cast(values, &timestamptz())?, Arc::clone(&arguments[1])], to)
        }
        DataType::Timestamp(..) => java_written(arguments, to),
        DataType::LargeBinary | DataType::BinaryView => {
            written(&[cast(values, &DataType::Binary)?, Arc::clone(&arguments[1])], to)
        }
        DataType::Binary => {
            let mut out = StringBuilder::new();
            for row in 0..values.len() {
                match (bytes::bytes_at(values, row), value(formats, row)) {
                    (Some(bytes), Some(format)) => out.append_value(bytes::written(bytes, format)?),
                    _ => out.append_null(),
                }
            }
            Ok(Arc::new(out.finish()))
        }
        DataType::Decimal128(_, scale) => {
            let decimals = values.as_primitive::<Decimal128Type>();
            let scale = usize::try_from(*scale).unwrap_or(0);
            let mut last: Option<(&str, Format)> = None;
            let mut out = StringBuilder::new();
            for row in 0..values.len() {
                match (decimals.is_valid(row), value(formats, row)) {
                    (true, Some(format)) => {
                        out.append_value(Writing::of(decimals.value(row), scale, parsed(&mut last, format)?));
                    }
                    _ => out.append_null(),
                }
            }
            Ok(Arc::new(out.finish()))
        }
        _ => written(&[cast(values, &DataType::Decimal128(20, 0))?, Arc::clone(&arguments[1])], to),
    }
}

/// A number that is written by a format. A digit that may be missing is a space where it is, and signs are moved before those spaces'
/// end.
struct Writing {
    out: Vec<char>,
}

impl Writing {
    fn of(value: i128, scale: usize, format: &Format) -> String {
        let negative = value < 0;
        let (before, after) = digits(value, scale, format);
        let (mut before, mut after) = (before.into_iter(), after.into_iter());
        let mut writing = Self { out: Vec::new() };
        let mut after_point = false;
        for part in &format.parts {
            match part {
                Part::Groups(groups) if after_point => {
                    writing.out.extend(after.by_ref().take(groups.iter().map(|digits| digits.count).sum()));
                }
                Part::Groups(groups) => writing.groups(groups, &mut before),
                Part::Point => {
                    if let Some(last) = writing.out.last_mut().filter(|last| **last == ' ') {
                        *last = '0';
                    }
                    writing.out.push('.');
                    after_point = true;
                }
                Part::Dollar => writing.out.push('$'),
                Part::Sign => writing.sign(if negative { '-' } else { '+' }),
                Part::Minus if negative => writing.sign('-'),
                Part::Minus => writing.out.push(' '),
                Part::Open if negative => writing.out.push('<'),
                Part::Open => {}
                Part::Close => {
                    writing.without_lone_point();
                    if negative { writing.put('>') } else { writing.out.extend([' ', ' ']) }
                }
            }
        }
        writing.without_lone_point();
        match writing.out.as_slice() {
            [] | ['+' | '-'] => "0".to_owned(),
            out => out.iter().collect(),
        }
    }

    fn groups(&mut self, groups: &[Digits], before: &mut impl Iterator<Item = char>) {
        for (index, digits) in groups.iter().enumerate() {
            if index > 0 {
                match self.out.last() {
                    Some(last) if last.is_ascii_digit() => self.out.push(','),
                    _ => self.space(),
                }
            }
            for digit in before.by_ref().take(digits.count) {
                match digit {
                    ' ' if digits.exact => self.out.push('0'),
                    ' ' => self.space(),
                    digit => self.out.push(digit),
                }
            }
        }
    }

    fn sign(&mut self, sign: char) {
        self.without_lone_point();
        self.put(sign);
    }

    /// Before the spaces at the end.
    fn put(&mut self, letter: char) {
        let end = self.out.iter().rposition(|other| *other != ' ').map_or(0, |at| at + 1);
        self.out.insert(end, letter);
    }

    /// Before the signs at the end.
    fn space(&mut self) {
        let end = self.out.iter().rposition(|other| !matches!(other, '+' | '-' | '<')).map_or(0, |at| at + 1);
        self.out.insert(end, ' ');
    }

    fn without_lone_point(&mut self) {
        if let Some(at) = self.out.iter().position(|letter| *letter == '.')
            && matches!(self.out.get(at + 1), None | Some(' '))
        {
            self.out[at] = ' ';
        }
    }
}

/// As many letters before and behind the point as the format has: spaces before, zeros behind; `#` where there are too few.
fn digits(value: i128, scale: usize, format: &Format) -> (Vec<char>, Vec<char>) {
    let all = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (before, after) = all.split_at(all.len() - scale);
    let (before, after) = (before.trim_start_matches('0'), after.trim_end_matches('0'));
    if before.len() > format.before || after.len() > format.after {
        return (vec!['#'; format.before], vec!['#'; format.after]);
    }
    let padded = |text: String| text.chars().collect();
    (
        padded(format!("{before:>width$}", width = format.before)),
        padded(format!("{after:0<width$}", width = format.after)),
    )
}

/// `format_number` takes a number.
pub(in crate::engine) fn grouped_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [number, places] => match (number, places) {
            (number, _) if !(number.is_numeric() || number.is_null()) => {
                plan_err!("format_number takes a number, not {}", type_word(number))
            }
            (_, DataType::Utf8 | DataType::Null) => Ok(DataType::Utf8),
            (_, places) if places.is_integer() => Ok(DataType::Utf8),
            (_, other) => plan_err!("format_number takes a number of digits or a pattern, not {}", type_word(other)),
        },
        _ => plan_err!("format_number takes a number, and a number of digits or a pattern"),
    }
}

/// `format_number(number, digits)` and `format_number(number, '#,##0.0#')`.
pub(in crate::engine) fn grouped(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let numbers = Numbers::of(&arguments[0])?;
    let patterns = arguments[1].as_string_opt::<i32>();
    let places = match patterns {
        Some(_) => None,
        None => Some(cast(&arguments[1], &DataType::Int64)?),
    };
    let mut out = StringBuilder::new();
    for row in 0..arguments[0].len() {
        let shape = match (patterns, &places) {
            (Some(patterns), _) => value(patterns, row).map(Shape::parse).transpose()?,
            (None, Some(places)) => {
                let places = places.as_primitive::<datafusion::arrow::datatypes::Int64Type>();
                let places = places.is_valid(row).then(|| usize::try_from(places.value(row)).ok()).flatten();
                match places {
                    Some(places) if places > PLACES_AT_MOST => {
                        return exec_err!(
                            "format_number writes {PLACES_AT_MOST} digits behind the point at most, not {places}"
                        );
                    }
                    places => places.map(Shape::of_places),
                }
            }
            (None, None) => None,
        };
        match shape {
            Some(shape) if arguments[0].is_valid(row) => out.append_value(numbers.written(row, &shape)),
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// A pattern as Java's `DecimalFormat` has it, of `#`, `0`, `,` and `.` alone.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    whole: usize,
    least: usize,
    most: usize,
    group: usize,
}

impl Shape {
    fn of_places(places: usize) -> Self {
        Self { whole: 1, least: places, most: places, group: 3 }
    }

    fn parse(pattern: &str) -> Result<Self> {
        if pattern.is_empty() {
            return Ok(Self::of_places(0));
        }
        let (whole, fraction) = match pattern.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (pattern, None),
        };
        let digits: String = whole.chars().filter(|letter| *letter != ',').collect();
        let fraction_digits = fraction.unwrap_or_default();
        let is_run = |text: &str, first: char, second: char| {
            text.trim_start_matches(first).trim_start_matches(second).is_empty()
        };
        if pattern.len() > PLACES_AT_MOST {
            return exec_err!("a pattern of that many letters is too long");
        }
        let empty_group = whole.ends_with(',') || whole.contains(",,") || whole.starts_with(',');
        if !is_run(&digits, '#', '0')
            || !is_run(fraction_digits, '0', '#')
            || empty_group
            || (digits.is_empty() && fraction_digits.is_empty())
        {
            return exec_err!(
                "the pattern '{pattern}' is not supported: expected '#,##0.00' of #, 0, a comma and a point"
            );
        }
        let zeros = digits.matches('0').count();
        let has_zeros = zeros + fraction_digits.matches('0').count() > 0;
        // Java makes a 0 of the last # before the point, where there is none else.
        let whole_digits = if !has_zeros && fraction.is_some() && !digits.is_empty() { 1 } else { zeros };
        Ok(Self {
            whole: whole_digits,
            least: fraction_digits.matches('0').count(),
            most: fraction_digits.len(),
            group: whole.rsplit_once(',').map_or(0, |(_, last)| last.len()),
        })
    }

    /// From a sign and digits that are rounded already.
    fn filled(&self, text: &str) -> String {
        let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let whole = format!("{:0>width$}", whole.trim_start_matches('0'), width = self.whole);
        let kept = fraction.trim_end_matches('0').len().max(self.least.min(fraction.len()));
        let fraction = &fraction[..kept];
        let mut out = String::from(sign);
        let count = whole.len();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && self.group > 0 && (count - index).is_multiple_of(self.group) {
                out.push(',');
            }
            out.push(digit);
        }
        if count == 0 && fraction.is_empty() {
            out.push('0');
        }
        if !fraction.is_empty() {
            out.push('.');
            out.push_str(fraction);
        }
        out
    }
}

enum Numbers {
    Double(PrimitiveArray<datafusion::arrow::datatypes::Float64Type>),
    Decimal(PrimitiveArray<Decimal128Type>, usize),
}

impl Numbers {
    fn of(array: &ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Float32 | DataType::Float64 | DataType::Null => {
                Self::Double(cast(array, &DataType::Float64)?.as_primitive().clone())
            }
            DataType::Decimal128(_, scale) => {
                Self::Decimal(array.as_primitive().clone(), usize::try_from(*scale).unwrap_or(0))
            }
            _ => Self::Decimal(cast(array, &DataType::Decimal128(20, 0))?.as_primitive().clone(), 0),
        })
    }

    /// Rounded from a half on to the even neighbour, of the number's exact value.
    fn written(&self, row: usize, shape: &Shape) -> String {
        match self {
            Self::Double(values) => match values.value(row) {
                value if value.is_nan() => "NaN".to_owned(),
                value if value.is_infinite() => if value > 0.0 { "∞" } else { "-∞" }.to_owned(),
                value => shape.filled(&format!("{value:.most$}", most = shape.most)),
            },
            Self::Decimal(values, scale) => shape.filled(&decimal(values.value(row), *scale, shape.most)),
        }
    }
}

/// A decimal with so many digits behind its point.
fn decimal(value: i128, scale: usize, most: usize) -> String {
    let cut = u32::try_from(scale.saturating_sub(most)).unwrap_or(0);
    let unit = 10_u128.pow(cut);
    let (mut kept, rest) = (value.unsigned_abs() / unit, value.unsigned_abs() % unit);
    if rest * 2 > unit || (rest * 2 == unit && cut > 0 && !kept.is_multiple_of(2)) {
        kept += 1;
    }
    let digits = scale.min(most);
    let text = format!("{kept:0>width$}", width = digits + 1);
    let (whole, fraction) = text.split_at(text.len() - digits);
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction:0<most$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_by_their_format() {
        for (value, scale, format, expected) in [
            (454, 0, "999", "454"),
            (45400, 2, "000D00", "454.00"),
            (12454, 0, "99G999", "12,454"),
            (7812, 2, "$99.99", "$78.12"),
            (-124548, 1, "99G999D9S", "12,454.8-"),
            (12, 0, "9999", "  12"),
            (12, 0, "0000", "0012"),
            (1234, 0, "99", "##"),
            (-5, 0, "99PR", "<5> "),
            (5, 0, "S99", " +5"),
            (0, 0, "9", " "),
            (5, 1, "9.9", "0.5"),
        ] {
            let found = Writing::of(value, scale, &Format::parse(format).unwrap());
            if format == "99PR" {
                assert_eq!(found.trim(), "<5>", "{found:?}");
                continue;
            }
            assert_eq!(found, expected, "{value} {format}");
        }
    }

    #[test]
    fn numbers_are_read_by_their_format() {
        for (text, format, expected) in [
            ("454", "999", Some(454)),
            ("454.00", "000.00", Some(45400)),
            ("12,454", "99,999", Some(12454)),
            ("$78.12", "$99.99", Some(7812)),
            ("12,454.8-", "99,999.9S", Some(-124548)),
            ("<5>", "9PR", Some(-5)),
            ("5", "9PR", Some(5)),
            ("<5", "9PR", None),
            ("45", "000", None),
            ("4545", "999", None),
            ("", "999", None),
            ("1,2,3", "9,9", None),
        ] {
            assert_eq!(Reading::new(text).number(&Format::parse(format).unwrap()), expected, "{text} {format}");
        }
        for format in ["", "S", "9S9", "9,", ",9", "9.9,9", "9$", "x", "9..9", "SS9"] {
            assert!(Format::parse(format).is_err(), "{format}");
        }
    }

    #[test]
    fn numbers_are_grouped_as_java_groups_them() {
        for (value, pattern, expected) in [
            (12_332.123_456, "##################.###", "12332.123"),
            (0.5, "#.##", "0.5"),
            (0.5, ".##", ".5"),
            (0.0, "#", "0"),
            (1_234_567.0, "#,##0.00", "1,234,567.00"),
            (2.5, "0", "2"),
            (-0.001, "0.00", "-0.00"),
            (7.0, "000", "007"),
        ] {
            let numbers = Numbers::Double(PrimitiveArray::from(vec![value]));
            assert_eq!(numbers.written(0, &Shape::parse(pattern).unwrap()), expected, "{value} {pattern}");
        }
        assert_eq!(decimal(25, 1, 0), "2.");
        assert_eq!(Shape::of_places(4).filled(&decimal(12_332_123_456, 6, 4)), "12,332.1235");
    }
}
