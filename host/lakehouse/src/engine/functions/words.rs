//! Spark's functions of words, places and parts of a text, and of numbers written in another base.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListBuilder, NullArray, StringArray, StringBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::common::{Result, exec_err};
use unicode_segmentation::UnicodeSegmentation as _;

use super::text::value;
use super::type_word;

fn whole(array: &Int64Array, row: usize) -> Option<i64> {
    array.is_valid(row).then(|| array.value(row))
}

/// `locate(part, text[, from])`: from 1; 0 = not in it, or nowhere to begin.
pub(in crate::engine) fn located(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let (parts, texts) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let starts = arguments.get(2).map(|array| array.as_primitive::<Int64Type>());
    let places: Int64Array = (0..texts.len())
        .map(|row| {
            let start = match starts {
                Some(starts) => whole(starts, row),
                None => Some(1),
            };
            // Spark's own: no start is no place, whatever the texts are.
            let Some(start) = start else { return Some(0) };
            let (part, text) = (value(parts, row)?, value(texts, row)?);
            Some(place(part, text, start))
        })
        .collect();
    let places: ArrayRef = Arc::new(places);
    Ok(cast(&places, to)?)
}

fn place(part: &str, text: &str, start: i64) -> i64 {
    match (part.is_empty(), start) {
        (_, 0) => 0,
        (true, _) => 1,
        _ => {
            let skipped = usize::try_from(start.max(1) - 1).unwrap_or(usize::MAX);
            let Some((from, _)) = text.char_indices().nth(skipped) else { return 0 };
            let found = text[from..].find(part).map(|at| text[..from + at].chars().count() + 1);
            found.and_then(|at| i64::try_from(at).ok()).unwrap_or(0)
        }
    }
}

/// Spark's `split_part(text, delimiter, index)`: from 1, or from -1 at the end; empty beyond the parts.
pub(in crate::engine) fn part(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (texts, delimiters) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let indexes = arguments[2].as_primitive::<Int64Type>();
    let mut out = StringBuilder::new();
    for row in 0..texts.len() {
        let (Some(text), Some(delimiter), Some(index)) =
            (value(texts, row), value(delimiters, row), whole(indexes, row))
        else {
            out.append_null();
            continue;
        };
        let parts: Vec<&str> = if delimiter.is_empty() { vec![text] } else { text.split(delimiter).collect() };
        let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
        let found = match index {
            0 => return exec_err!("split_part counts from 1 or from -1, not 0"),
            1.. => parts.get(distance - 1),
            _ => parts.len().checked_sub(distance).and_then(|at| parts.get(at)),
        };
        out.append_value(found.copied().unwrap_or_default());
    }
    Ok(Arc::new(out.finish()))
}

/// `find_in_set(text, list)`: the place of a text among those between commas; 0 = not among them.
pub(in crate::engine) fn place_in_set(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let (texts, lists) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let places: Int64Array = texts
        .iter()
        .zip(lists)
        .map(|(text, list)| {
            let (text, list) = (text?, list?);
            let found = (!text.contains(',')).then(|| list.split(',').position(|item| item == text)).flatten();
            i64::try_from(found.map_or(0, |at| at + 1)).ok()
        })
        .collect();
    let places: ArrayRef = Arc::new(places);
    Ok(cast(&places, to)?)
}

fn each(argument: &ArrayRef, change: impl Fn(&str) -> String) -> ArrayRef {
    let texts: StringArray = argument.as_string::<i32>().iter().map(|text| text.map(&change)).collect();
    Arc::new(texts)
}

/// `btrim(text[, letters])`: without spaces, or those letters, at both ends.
pub(in crate::engine) fn trimmed(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let letters = arguments.get(1).map(|letters| letters.as_string::<i32>());
    let values: StringArray = (0..texts.len())
        .map(|row| {
            let letters: Vec<char> = match letters {
                Some(letters) => value(letters, row)?.chars().collect(),
                None => vec![' '],
            };
            Some(value(texts, row)?.trim_matches(letters.as_slice()))
        })
        .collect();
    Ok(Arc::new(values))
}

/// `quote(text)`.
pub(in crate::engine) fn quoted(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    Ok(each(&arguments[0], |text| format!("'{}'", text.replace('\'', "\\'"))))
}

/// `soundex(text)`: of the letters of English; a text that does not begin with one stays as it is.
pub(in crate::engine) fn soundex(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    Ok(each(&arguments[0], |text| sound(text).unwrap_or_else(|| text.to_owned())))
}

fn sound(text: &str) -> Option<String> {
    /// By letter from A; 0 = a vowel, 7 = passed over as if it were not there.
    const CODES: &[u8; 26] = b"01230127022455012623017202";
    let code = |letter: u8| CODES.get(usize::from(letter.to_ascii_uppercase().checked_sub(b'A')?)).copied();
    let (first, rest) = text.as_bytes().split_first()?;
    let mut last = first.is_ascii_alphabetic().then(|| code(*first)).flatten()?;
    let mut out = String::from(char::from(first.to_ascii_uppercase()));
    for letter in rest {
        if out.len() == 4 {
            break;
        }
        match code(*letter).filter(|_| letter.is_ascii_alphabetic()) {
            None => last = b'0',
            Some(b'7') => {}
            Some(code) => {
                if code != b'0' && code != last {
                    out.push(char::from(code));
                }
                last = code;
            }
        }
    }
    Some(format!("{out:0<4}"))
}

/// `levenshtein(text, text, most)`: -1 beyond the most.
pub(in crate::engine) fn distance_up_to(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let (left, right) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let most = arguments[2].as_primitive::<Int64Type>();
    let distances: Int64Array = (0..left.len())
        .map(|row| {
            let (left, right, most) = (value(left, row)?, value(right, row)?, whole(most, row)?);
            let distance = i64::try_from(levenshtein(left, right)).ok()?;
            Some(if distance > most { -1 } else { distance })
        })
        .collect();
    let distances: ArrayRef = Arc::new(distances);
    Ok(cast(&distances, to)?)
}

/// `conv(number, from base, to base)`: 64 bits without a sign; with a negative base they have one.
pub(in crate::engine) fn rebased(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let numbers = arguments[0].as_string::<i32>();
    let (from, to) = (arguments[1].as_primitive::<Int64Type>(), arguments[2].as_primitive::<Int64Type>());
    let mut out = StringBuilder::new();
    for row in 0..numbers.len() {
        match (value(numbers, row), whole(from, row), whole(to, row)) {
            (Some(number), Some(from), Some(to)) => match in_base(number.trim(), from, to) {
                Based::Written(text) => out.append_value(text),
                Based::Nothing => out.append_null(),
                Based::TooLarge => return exec_err!("conv: the number '{number}' is larger than 64 bits hold"),
            },
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

#[derive(Debug, PartialEq, Eq)]
enum Based {
    Written(String),
    /// No number, or no base.
    Nothing,
    TooLarge,
}

fn in_base(number: &str, from: i64, to: i64) -> Based {
    let (Ok(radix @ 2..=36), target @ 2..=36) = (u32::try_from(from), to.unsigned_abs()) else {
        return Based::Nothing;
    };
    if number.is_empty() {
        return Based::Nothing;
    }
    let (negative, digits) = number.strip_prefix('-').map_or((false, number), |digits| (true, digits));
    let mut value = 0_u64;
    for digit in digits.chars().map_while(|digit| digit.to_digit(radix)) {
        match value.checked_mul(radix.into()).and_then(|value| value.checked_add(digit.into())) {
            Some(larger) => value = larger,
            None => return Based::TooLarge,
        }
    }
    let mut minus = negative;
    if negative && to > 0 {
        value = if value.cast_signed() < 0 { u64::MAX } else { value.wrapping_neg() };
    }
    if to < 0 && value.cast_signed() < 0 {
        value = value.wrapping_neg();
        minus = true;
    }
    let mut out = Vec::new();
    while value > 0 || out.is_empty() {
        let digit = u32::try_from(value % target).ok().and_then(|digit| char::from_digit(digit, 36));
        out.push(digit.unwrap_or('0').to_ascii_uppercase());
        value /= target;
    }
    if minus && to < 0 {
        out.push('-');
    }
    Based::Written(out.into_iter().rev().collect())
}

/// `factorial(number)`: null beyond 20.
pub(in crate::engine) fn factorial(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let values: Int64Array = arguments[0]
        .as_primitive::<Int64Type>()
        .iter()
        .map(|value| value.filter(|value| (0..=20).contains(value)).map(|value| (1..=value).product()))
        .collect();
    Ok(Arc::new(values))
}

/// `assert_true(condition[, message])`: null, or the statement fails.
pub(in crate::engine) fn asserted(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let conditions: &BooleanArray = match arguments[0].as_boolean_opt() {
        Some(conditions) => conditions,
        None => return exec_err!("assert_true takes a condition, not {}", type_word(arguments[0].data_type())),
    };
    let messages = arguments.get(1).map(|messages| messages.as_string::<i32>());
    if let Some(row) = (0..conditions.len()).find(|row| conditions.is_null(*row) || !conditions.value(*row)) {
        let message = messages.map_or(Some("what assert_true asserts is not true"), |messages| value(messages, row));
        return exec_err!("{}", message.unwrap_or("null"));
    }
    Ok(Arc::new(NullArray::new(conditions.len())))
}

/// `raise_error(message)`.
pub(in crate::engine) fn raised(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    exec_err!("{}", value(arguments[0].as_string::<i32>(), 0).unwrap_or("null"))
}

/// `typeof(value)`.
pub(in crate::engine) fn type_name(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let name = spark_type(arguments[0].data_type())?;
    Ok(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(name, arguments[0].len()))))
}

/// `collation(text)`: the only one that there is here.
pub(in crate::engine) fn collation(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let names = std::iter::repeat_n("SYSTEM.BUILTIN.UTF8_BINARY", arguments[0].len());
    Ok(Arc::new(StringArray::from_iter_values(names)))
}

/// A type as Spark writes it.
fn spark_type(data_type: &DataType) -> Result<String> {
    Ok(match data_type {
        DataType::Null => "void".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp".to_owned(),
        DataType::Timestamp(_, None) => "timestamp_ntz".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("array<{}>", spark_type(item.data_type())?)
        }
        DataType::Struct(fields) if super::variants::is_variant(data_type) && fields.len() == 1 => "variant".to_owned(),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| Ok(format!("{}:{}", field.name(), spark_type(field.data_type())?)))
                .collect::<Result<_>>()?;
            format!("struct<{}>", fields.join(","))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(parts) if parts.len() == 2 => {
                format!("map<{},{}>", spark_type(parts[0].data_type())?, spark_type(parts[1].data_type())?)
            }
            _ => return exec_err!("expected a map"),
        },
        other => return exec_err!("typeof does not know {}", type_word(other)),
    })
}

/// Spark's `sentences`: the words of each sentence, by Unicode's boundaries (UAX 29), whichever language is named.
pub(in crate::engine) fn sentences(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    for text in arguments[0].as_string::<i32>() {
        for sentence in text.into_iter().flat_map(str::split_sentence_bounds) {
            let words = sentence.split_word_bounds().filter(|word| word.starts_with(char::is_alphanumeric));
            out.values().append_value(words.map(Some));
        }
        out.append(text.is_some());
    }
    Ok(Arc::new(out.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_sound_alike_have_one_code() {
        for (text, expected) in [
            ("Miller", "M460"),
            ("Robert", "R163"),
            ("rupert", "R163"),
            ("Ashcraft", "A261"),
            ("Tymczak", "T522"),
            ("Pfister", "P236"),
        ] {
            assert_eq!(sound(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(sound("7a"), None);
        assert_eq!(sound(""), None);
    }

    #[test]
    fn numbers_are_written_in_another_base() {
        let written = |text: &str| Based::Written(text.to_owned());
        for (number, from, to, expected) in [
            ("100", 2, 10, written("4")),
            ("-10", 16, -10, written("-16")),
            ("-1", 10, 16, written("FFFFFFFFFFFFFFFF")),
            ("zz!", 36, 10, written("1295")),
            ("?", 10, 2, written("0")),
            ("", 10, 2, Based::Nothing),
            ("1", 1, 2, Based::Nothing),
            ("18446744073709551616", 10, 16, Based::TooLarge),
        ] {
            assert_eq!(in_base(number, from, to), expected, "{number}");
        }
    }
}
