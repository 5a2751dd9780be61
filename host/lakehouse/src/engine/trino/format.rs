//! `format(pattern, …)`: Java's formatter, as far as Trino gives it values: texts, whole numbers, decimals, doubles and
//! booleans. Moments are refused: write them with date_format before.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType::{self, Float64, Int64, Utf8};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::common::{Result, exec_err};

use crate::engine::cast::{java_double, text_of};
use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, Text};
use crate::engine::functions::Returns::Always;
use crate::engine::functions::{Function, type_word};
use crate::engine::numbers::decimal::Rules;

/// A text of padding is no longer than this.
const WIDTH_AT_MOST: usize = 1 << 16;

/// Registers the function.
pub(super) fn register(all: &mut Functions) {
    let format = Function::new("format", &[Text, Any], Always(Utf8), formatted).rest(Any);
    all.scalar(&["format"], &format.build());
}

enum Value {
    Null,
    Whole(i64),
    Double(f64),
    /// With its point.
    Decimal(String),
    Text(String),
    Truth(bool),
}

fn formatted(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let patterns = arguments[0].as_string::<i32>();
    let values = arguments[1..].iter().map(prepared).collect::<Result<Vec<_>>>()?;
    let mut out = Vec::with_capacity(patterns.len());
    for (row, pattern) in patterns.iter().enumerate() {
        let Some(pattern) = pattern else {
            out.push(None);
            continue;
        };
        let values: Vec<Value> = values.iter().map(|values| value(values, row)).collect();
        match written(pattern, &values) {
            Ok(text) => out.push(Some(text)),
            Err(why) => return exec_err!("format '{pattern}': {why}"),
        }
    }
    Ok(Arc::new(StringArray::from(out)))
}

/// In one of the types that [`value`] reads.
fn prepared(values: &ArrayRef) -> Result<ArrayRef> {
    Ok(match values.data_type() {
        DataType::Boolean | DataType::Null | DataType::Decimal128(..) => Arc::clone(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => cast(values, &Utf8)?,
        number if number.is_integer() => cast(values, &Int64)?,
        number if number.is_floating() => cast(values, &Float64)?,
        other => {
            return exec_err!("format does not take {}: cast it to VARCHAR, or use date_format", type_word(other));
        }
    })
}

fn value(values: &ArrayRef, row: usize) -> Value {
    if values.is_null(row) || values.data_type().is_null() {
        return Value::Null;
    }
    match values.data_type() {
        DataType::Boolean => Value::Truth(values.as_boolean().value(row)),
        Int64 => Value::Whole(values.as_primitive::<Int64Type>().value(row)),
        Float64 => Value::Double(values.as_primitive::<Float64Type>().value(row)),
        Utf8 => Value::Text(values.as_string::<i32>().value(row).to_owned()),
        _ => match text_of(&values.slice(row, 1), Rules::Trino) {
            Ok(text) => Value::Decimal(text.as_string::<i32>().value(0).to_owned()),
            Err(_) => Value::Null,
        },
    }
}

/// One `%[index$][flags][width][.precision]conversion`.
#[derive(Default)]
struct Specifier {
    left: bool,
    plus: bool,
    blank: bool,
    zero: bool,
    grouped: bool,
    negative_in_parentheses: bool,
    width: usize,
    precision: Option<usize>,
}

type Written<T> = std::result::Result<T, String>;

fn written(pattern: &str, values: &[Value]) -> Written<String> {
    let (mut out, mut rest, mut next) = (String::new(), pattern, 0);
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (index, after) = index_of(rest);
        let (specifier, after) = specifier_of(after)?;
        let mut letters = after.chars();
        let Some(conversion) = letters.next() else { return Err("it ends with half of a specifier".to_owned()) };
        rest = letters.as_str();
        match conversion {
            '%' => padded(&specifier, "%".to_owned(), &mut out),
            'n' => out.push('\n'),
            _ => {
                let place = index.unwrap_or_else(|| {
                    next += 1;
                    next - 1
                });
                let Some(value) = values.get(place) else {
                    return Err(format!("there is no value for `%{conversion}`"));
                };
                convert(conversion, &specifier, value, &mut out)?;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// `2$`: the value's place, from 0.
fn index_of(text: &str) -> (Option<usize>, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text[digits..].strip_prefix('$') {
        Some(after) if digits > 0 => {
            (text[..digits].parse::<usize>().ok().and_then(|index| index.checked_sub(1)), after)
        }
        _ => (None, text),
    }
}

fn specifier_of(text: &str) -> Written<(Specifier, &str)> {
    let mut specifier = Specifier::default();
    let mut rest = text;
    loop {
        let flag = match rest.as_bytes().first() {
            Some(b'-') => &mut specifier.left,
            Some(b'+') => &mut specifier.plus,
            Some(b' ') => &mut specifier.blank,
            Some(b'0') => &mut specifier.zero,
            Some(b',') => &mut specifier.grouped,
            Some(b'(') => &mut specifier.negative_in_parentheses,
            Some(b'#') => return Err("the flag `#` is not supported".to_owned()),
            _ => break,
        };
        if *flag {
            return Err("a flag comes twice".to_owned());
        }
        *flag = true;
        rest = &rest[1..];
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        specifier.width = rest[..digits].parse().ok().filter(|width| *width <= WIDTH_AT_MOST).ok_or("too wide")?;
        rest = &rest[digits..];
    }
    if let Some(after) = rest.strip_prefix('.') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        specifier.precision =
            Some(after[..digits].parse().ok().filter(|digits| *digits <= 1_000).ok_or("no digits behind the `.`")?);
        rest = &after[digits..];
    }
    if (specifier.left || specifier.zero) && specifier.width == 0 || (specifier.left && specifier.zero) {
        return Err("`-` or `0` needs a width, and not both".to_owned());
    }
    Ok((specifier, rest))
}

fn convert(conversion: char, specifier: &Specifier, value: &Value, out: &mut String) -> Written<()> {
    let wrong = |what: &str| Err(format!("`%{conversion}` is not for {what}"));
    let text = match (conversion.to_ascii_lowercase(), value) {
        ('s', value) => cut(plain(value), specifier),
        ('b', Value::Null) => cut("false".to_owned(), specifier),
        ('b', Value::Truth(truth)) => cut(truth.to_string(), specifier),
        ('b', _) => cut("true".to_owned(), specifier),
        ('d' | 'x' | 'o' | 'f' | 'e' | 'c', Value::Null) => cut("null".to_owned(), specifier),
        ('d', Value::Whole(number)) => return number_written(specifier, &number.to_string(), out),
        ('x', Value::Whole(number)) => zeros(specifier, format!("{number:x}")),
        ('o', Value::Whole(number)) => zeros(specifier, format!("{number:o}")),
        ('f', Value::Double(number)) if !number.is_finite() => plain(value),
        ('f', Value::Double(number)) => {
            let rounded = rounded(&format!("{number}"), specifier.precision.unwrap_or(6));
            return number_written(specifier, &rounded, out);
        }
        ('f', Value::Decimal(digits)) => {
            return number_written(specifier, &rounded(digits, specifier.precision.unwrap_or(6)), out);
        }
        ('e', _) => return Err("`%e` is not supported".to_owned()),
        ('c', Value::Whole(code)) => match u32::try_from(*code).ok().and_then(char::from_u32) {
            Some(letter) => letter.to_string(),
            None => return wrong("this number"),
        },
        ('d' | 'x' | 'o' | 'f' | 'c', Value::Text(_)) => return wrong("text"),
        ('d' | 'x' | 'o' | 'f' | 'c', Value::Truth(_)) => return wrong("a boolean"),
        ('d' | 'x' | 'o' | 'c', Value::Double(_) | Value::Decimal(_)) => return wrong("a number with a fraction"),
        ('f', Value::Whole(_)) => return wrong("a whole number"),
        _ => return Err(format!("`%{conversion}` is not supported")),
    };
    let text = match conversion {
        'S' | 'B' | 'X' | 'C' => text.to_uppercase(),
        'D' | 'F' | 'O' | 'E' => return Err(format!("`%{conversion}` is no conversion")),
        _ => text,
    };
    padded(specifier, text, out);
    Ok(())
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Whole(number) => number.to_string(),
        Value::Double(number) => java_double(*number),
        Value::Decimal(text) | Value::Text(text) => text.clone(),
        Value::Truth(truth) => truth.to_string(),
    }
}

fn cut(text: String, specifier: &Specifier) -> String {
    match specifier.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text,
    }
}

fn zeros(specifier: &Specifier, digits: String) -> String {
    if specifier.zero { format!("{digits:0>width$}", width = specifier.width) } else { digits }
}

/// Decimal digits with their sign, groups and zeros.
fn number_written(specifier: &Specifier, number: &str, out: &mut String) -> Written<()> {
    let (negative, digits) = number.strip_prefix('-').map_or((false, number), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut text = if specifier.grouped { grouped(whole) } else { whole.to_owned() };
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    let (before, after) = match (negative, specifier) {
        (true, Specifier { negative_in_parentheses: true, .. }) => ("(", ")"),
        (true, _) => ("-", ""),
        (false, Specifier { plus: true, .. }) => ("+", ""),
        (false, Specifier { blank: true, .. }) => (" ", ""),
        _ => ("", ""),
    };
    if specifier.zero {
        let width = specifier.width.saturating_sub(before.len() + after.len());
        text = format!("{text:0>width$}");
    }
    padded(specifier, format!("{before}{text}{after}"), out);
    Ok(())
}

fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn padded(specifier: &Specifier, text: String, out: &mut String) {
    let missing = specifier.width.saturating_sub(text.chars().count());
    let blanks = " ".repeat(missing);
    match specifier.left {
        true => out.extend([text, blanks]),
        false => out.extend([blanks, text]),
    }
}

/// Decimal digits, rounded half up to so many behind the point.
fn rounded(number: &str, places: usize) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut kept: Vec<u8> = whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(places)).collect();
    if fraction.as_bytes().get(places).is_some_and(|next| *next >= b'5') {
        let mut at = kept.len();
        loop {
            match at.checked_sub(1) {
                Some(before) if kept[before] == b'9' => {
                    kept[before] = b'0';
                    at = before;
                }
                Some(before) => {
                    kept[before] += 1;
                    break;
                }
                None => {
                    kept.insert(0, b'1');
                    break;
                }
            }
        }
    }
    let point = kept.len() - places;
    let text: String = kept.into_iter().map(char::from).collect();
    let (whole, fraction) = text.split_at(point);
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_java_s() {
        let values = [
            Value::Whole(-1_234_567),
            Value::Double(2.675),
            Value::Text("é".into()),
            Value::Decimal("12.5".into()),
            Value::Truth(true),
            Value::Null,
        ];
        for (pattern, text) in [
            ("%d|%.2f|%s|%.0f|%b|%s", "-1234567|2.68|é|13|true|null"),
            ("%,d", "-1,234,567"),
            ("%1$(,12d|%1$-10d|", " (1,234,567)|-1234567  |"),
            ("%3$5s|%3$-3s|%3$S|100%%", "    é|é  |É|100%"),
            ("%4$+08.2f %4$f", "+0012.50 12.500000"),
            ("%2$s %5$s", "2.675 true"),
            ("%6$5s%n", " null\n"),
        ] {
            assert_eq!(written(pattern, &values).as_deref(), Ok(text), "{pattern}");
        }
        for pattern in ["%d %d", "%1$f", "%z", "%", "%3$d", "%-d"] {
            assert!(written(pattern, &values).is_err(), "{pattern}");
        }
        assert_eq!(rounded("9.995", 2), "10.00");
        assert_eq!(rounded("-0.5", 0), "-1");
    }
}
