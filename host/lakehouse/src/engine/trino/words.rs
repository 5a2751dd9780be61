//! More functions of text: letters and their codes, distances, sounds, parts by number.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, Int64Array, ListBuilder, StringArray, StringBuilder,
};
use datafusion::arrow::datatypes::DataType::{self, Int32, Int64, Utf8};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::common::{Result, exec_err};
use unicode_normalization::UnicodeNormalization;

use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Text, Whole};
use crate::engine::functions::Returns::Always;
use crate::engine::functions::patterns::group_of;
use crate::engine::functions::text::{Expressions, value};
use crate::engine::functions::{Function, Kind, Rows, text};

/// Registers the functions.
pub(super) fn register(all: &mut Functions) {
    let functions: [(&'static str, &'static [Kind], usize, DataType, Rows); 17] = [
        ("upper", &[Text], 0, Utf8, |arguments, _| letters(&arguments[0], to_upper)),
        ("lower", &[Text], 0, Utf8, |arguments, _| letters(&arguments[0], to_lower)),
        ("chr", &[Whole], 0, Utf8, letter),
        ("codepoint", &[Text], 0, Int32, code),
        ("levenshtein_distance", &[Text, Text], 0, Int64, edits),
        ("hamming_distance", &[Text, Text], 0, Int64, differences),
        ("soundex", &[Text], 0, Utf8, sounds),
        ("normalize", &[Text, Text], 1, Utf8, normalized),
        ("strpos", &[Text, Text, Whole], 1, Int64, position),
        ("split", &[Text, Text, Whole], 1, text::text_list(), split),
        ("regexp_extract_all", &[Text, Text, Whole], 1, text::text_list(), all_matches),
        ("regexp_position", &[Text, Text, Whole, Whole], 2, Int32, match_position),
        ("trim", &[Text, Text], 1, Utf8, |arguments, to| trimmed(arguments, to, true, true)),
        ("ltrim", &[Text, Text], 1, Utf8, |arguments, to| trimmed(arguments, to, true, false)),
        ("rtrim", &[Text, Text], 1, Utf8, |arguments, to| trimmed(arguments, to, false, true)),
        ("luhn_check", &[Text], 0, DataType::Boolean, luhn),
        ("translate", &[Text, Text, Text], 0, Utf8, translated),
    ];
    for (name, parameters, optional, returns, rows) in functions {
        let function = Function::new(name, parameters, Always(returns), rows).optional(optional);
        all.scalar(&[name], &function.build());
    }
}

/// A whole number of an argument that may be left out; none: it is null.
fn number(arguments: &[ArrayRef], index: usize, row: usize, default: i64) -> Option<i64> {
    match arguments.get(index).map(|array| array.as_primitive::<Int64Type>()) {
        Some(numbers) => numbers.is_valid(row).then(|| numbers.value(row)),
        None => Some(default),
    }
}

fn letters(texts: &ArrayRef, change: fn(char) -> char) -> Result<ArrayRef> {
    let changed: StringArray = texts
        .as_string::<i32>()
        .iter()
        .map(|text| text.map(|text| text.chars().map(change).collect::<String>()))
        .collect();
    Ok(Arc::new(changed))
}

/// Letter by letter: one whose counterpart is more than one letter, such as `ß`, stays.
fn to_upper(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => letter,
    }
}

fn to_lower(letter: char) -> char {
    // The only letter whose counterpart is two.
    if letter == 'İ' {
        return 'i';
    }
    letter.to_lowercase().next().unwrap_or(letter)
}

fn letter(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut letters = Vec::with_capacity(arguments[0].len());
    for code in arguments[0].as_primitive::<Int64Type>() {
        letters.push(match code.map(|code| (code, u32::try_from(code).ok().and_then(char::from_u32))) {
            Some((_, Some(letter))) => Some(letter.to_string()),
            Some((code, None)) => return exec_err!("{code} is the code of no letter"),
            None => None,
        });
    }
    Ok(Arc::new(StringArray::from(letters)))
}

fn code(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut codes = Vec::with_capacity(arguments[0].len());
    for text in arguments[0].as_string::<i32>() {
        let mut letters = text.unwrap_or_default().chars();
        codes.push(match (text, letters.next(), letters.next()) {
            (None, ..) => None,
            (Some(_), Some(letter), None) => i32::try_from(u32::from(letter)).ok(),
            (Some(text), ..) => return exec_err!("codepoint takes one letter, not '{text}'"),
        });
    }
    Ok(Arc::new(Int32Array::from(codes)))
}

/// The steps of a distance are the product of both lengths: Trino too refuses more than a million.
fn edits(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    const STEPS_AT_MOST: usize = 1_000_000;
    let mut distances = Vec::with_capacity(arguments[0].len());
    for pair in arguments[0].as_string::<i32>().iter().zip(arguments[1].as_string::<i32>()) {
        let (Some(left), Some(right)) = pair else {
            distances.push(None);
            continue;
        };
        if left.chars().count().saturating_mul(right.chars().count()) > STEPS_AT_MOST {
            return exec_err!("levenshtein_distance takes texts whose lengths' product is {STEPS_AT_MOST} at most");
        }
        distances.push(i64::try_from(levenshtein(left, right)).ok());
    }
    Ok(Arc::new(Int64Array::from(distances)))
}

fn differences(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut distances = Vec::with_capacity(arguments[0].len());
    for pair in arguments[0].as_string::<i32>().iter().zip(arguments[1].as_string::<i32>()) {
        let (Some(left), Some(right)) = pair else {
            distances.push(None);
            continue;
        };
        if left.chars().count() != right.chars().count() {
            return exec_err!("hamming_distance takes texts of one length, not '{left}' and '{right}'");
        }
        let count = left.chars().zip(right.chars()).filter(|(left, right)| left != right).count();
        distances.push(i64::try_from(count).ok());
    }
    Ok(Arc::new(Int64Array::from(distances)))
}

/// The first letter and the sounds of three consonants: those of one sound count once, also with an H or W between.
fn sounds(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(arguments[0].len());
    for text in arguments[0].as_string::<i32>() {
        out.push(match text {
            Some(text) if !text.is_ascii() => {
                return exec_err!("soundex knows the letters from A to Z only, not '{text}'");
            }
            Some(text) => Some(soundex(text)),
            None => None,
        });
    }
    Ok(Arc::new(StringArray::from(out)))
}

fn soundex(text: &str) -> String {
    let sound = |letter: char| match letter {
        'B' | 'F' | 'P' | 'V' => '1',
        'C' | 'G' | 'J' | 'K' | 'Q' | 'S' | 'X' | 'Z' => '2',
        'D' | 'T' => '3',
        'L' => '4',
        'M' | 'N' => '5',
        'R' => '6',
        'H' | 'W' => '-',
        _ => '0',
    };
    let letters: Vec<char> = text.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).collect();
    let Some(first) = letters.first() else { return String::new() };
    let (mut code, mut last) = (first.to_string(), sound(*first));
    for letter in &letters[1..] {
        match sound(*letter) {
            '-' => {}
            this => {
                if this != '0' && this != last {
                    code.push(this);
                }
                last = this;
            }
        }
        if code.len() == 4 {
            break;
        }
    }
    format!("{code:0<4}")
}

fn normalized(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let mut out = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let form = arguments.get(1).map_or(Some("NFC"), |forms| value(forms.as_string(), row));
        let (Some(text), Some(form)) = (value(texts, row), form) else {
            out.push(None);
            continue;
        };
        out.push(Some(match form.to_ascii_uppercase().as_str() {
            "NFC" => text.nfc().collect::<String>(),
            "NFD" => text.nfd().collect(),
            "NFKC" => text.nfkc().collect(),
            "NFKD" => text.nfkd().collect(),
            _ => return exec_err!("`{form}` is no form of normalize: expected NFC, NFD, NFKC or NFKD"),
        }));
    }
    Ok(Arc::new(StringArray::from(out)))
}

/// `strpos(text, part[, which])`: the place of the first, the which-th, or with a negative number the which-th from the end; 0 = none.
fn position(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (texts, parts) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let mut out = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let (Some(text), Some(part), Some(which)) =
            (value(texts, row), value(parts, row), number(arguments, 2, row, 1))
        else {
            out.push(None);
            continue;
        };
        if which == 0 {
            return exec_err!(
                "strpos takes the first (1) or a later one, or with a negative number one from the end, not 0"
            );
        }
        out.push(i64::try_from(nth(text, part, which)).ok());
    }
    Ok(Arc::new(Int64Array::from(out)))
}

fn nth(text: &str, part: &str, which: i64) -> usize {
    if part.is_empty() {
        return 1;
    }
    // Finds may overlap.
    let places = text.char_indices().enumerate().filter(|(_, (at, _))| text[*at..].starts_with(part));
    let mut places = places.map(|(index, _)| index + 1);
    let skip = usize::try_from(which.unsigned_abs() - 1).unwrap_or(usize::MAX);
    if which > 0 {
        return places.nth(skip).unwrap_or(0);
    }
    let all: Vec<usize> = places.collect();
    all.len().checked_sub(skip + 1).and_then(|index| all.get(index)).copied().unwrap_or(0)
}

/// `split(text, delimiter[, limit])`: the last part has what is left.
fn split(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (texts, delimiters) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..texts.len() {
        let (Some(text), Some(delimiter), Some(limit)) =
            (value(texts, row), value(delimiters, row), number(arguments, 2, row, i64::MAX))
        else {
            out.append_null();
            continue;
        };
        if delimiter.is_empty() {
            return exec_err!("split takes a delimiter that is not empty");
        }
        let Some(limit) = usize::try_from(limit).ok().filter(|limit| *limit > 0) else {
            return exec_err!("split takes a limit of 1 or more, not {limit}");
        };
        out.append_value(text.splitn(limit, delimiter).map(Some));
    }
    Ok(Arc::new(out.finish()))
}

/// `regexp_extract_all(text, expression[, group])`; a group that did not match is null.
fn all_matches(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let (mut out, mut expressions) = (ListBuilder::new(StringBuilder::new()), Expressions::of(&arguments[1]));
    for row in 0..texts.len() {
        let (Some(text), Some(group)) = (value(texts, row), number(arguments, 2, row, 0)) else {
            out.append_null();
            continue;
        };
        let Some(expression) = expressions.at(row)? else {
            out.append_null();
            continue;
        };
        let group = group_of(expression, group)?;
        out.append_value(expression.captures_iter(text).map(|found| found.get(group).map(|found| found.as_str())));
    }
    Ok(Arc::new(out.finish()))
}

/// `regexp_position(text, expression[, start[, which]])`: from 1; -1 = none.
fn match_position(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let (mut out, mut expressions) = (Vec::with_capacity(texts.len()), Expressions::of(&arguments[1]));
    for row in 0..texts.len() {
        let (Some(text), true, Some(start), Some(which)) =
            (value(texts, row), arguments[1].is_valid(row), number(arguments, 2, row, 1), number(arguments, 3, row, 1))
        else {
            out.push(None);
            continue;
        };
        let (Some(skip), Some(before)) = (
            usize::try_from(start).ok().and_then(|start| start.checked_sub(1)),
            usize::try_from(which).ok().and_then(|which| which.checked_sub(1)),
        ) else {
            return exec_err!("regexp_position counts from 1: its start is {start}, and which match {which}");
        };
        let Some(expression) = expressions.at(row)? else {
            out.push(None);
            continue;
        };
        let from = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(skip);
        let found = from.and_then(|from| {
            let mut at = from;
            let mut found = expression.find_at(text, at)?;
            for _ in 0..before {
                at = if found.end() > found.start() { found.end() } else { found.end() + 1 };
                if at > text.len() || !text.is_char_boundary(at) {
                    return None;
                }
                found = expression.find_at(text, at)?;
            }
            i32::try_from(text[..found.start()].chars().count() + 1).ok()
        });
        out.push(Some(found.unwrap_or(-1)));
    }
    Ok(Arc::new(Int32Array::from(out)))
}

/// Of white space, or of any of the second text's letters.
fn trimmed(arguments: &[ArrayRef], _to: &DataType, from_start: bool, from_end: bool) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let out: StringArray = (0..texts.len())
        .map(|row| {
            let mut text = value(texts, row)?;
            let letters = match arguments.get(1) {
                Some(letters) => Some(value(letters.as_string(), row)?),
                None => None,
            };
            let goes = |letter: char| match letters {
                Some(letters) => letters.contains(letter),
                None => letter.is_whitespace(),
            };
            if from_start {
                text = text.trim_start_matches(goes);
            }
            if from_end {
                text = text.trim_end_matches(goes);
            }
            Some(text.to_owned())
        })
        .collect();
    Ok(Arc::new(out))
}

/// Whether digits end with their check digit.
fn luhn(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(arguments[0].len());
    for text in arguments[0].as_string::<i32>() {
        let Some(text) = text else {
            out.push(None);
            continue;
        };
        let digits: Option<Vec<u32>> = text.chars().map(|letter| letter.to_digit(10)).collect();
        let Some(digits) = digits else { return exec_err!("luhn_check takes digits, not '{text}'") };
        let doubled = |(index, digit): (usize, u32)| match (index % 2, digit * 2) {
            (0, _) => digit,
            (_, twice) if twice > 9 => twice - 9,
            (_, twice) => twice,
        };
        let sum: u32 = digits.into_iter().rev().enumerate().map(doubled).sum();
        out.push(Some(!text.is_empty() && sum.is_multiple_of(10)));
    }
    Ok(Arc::new(datafusion::arrow::array::BooleanArray::from(out)))
}

/// `translate(text, from, to)`: letters without a counterpart go; of a letter that comes twice, the first counts.
fn translated(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let [texts, from, to] = [0, 1, 2].map(|index: usize| arguments[index].as_string::<i32>());
    let out: StringArray = (0..texts.len())
        .map(|row| {
            let (text, from, to) = (value(texts, row)?, value(from, row)?, value(to, row)?);
            let pairs: Vec<(char, Option<char>)> = {
                let mut to = to.chars();
                from.chars().map(|letter| (letter, to.next())).collect()
            };
            let changed = text.chars().filter_map(|letter| match pairs.iter().find(|(from, _)| *from == letter) {
                Some((_, to)) => *to,
                None => Some(letter),
            });
            Some(changed.collect::<String>())
        })
        .collect();
    Ok(Arc::new(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_and_places() {
        for (text, sound) in
            [("Robert", "R163"), ("Rupert", "R163"), ("Ashcraft", "A261"), ("Tymczak", "T522"), ("", "")]
        {
            assert_eq!(soundex(text), sound, "{text}");
        }
        assert_eq!([nth("banana", "ana", 2), nth("banana", "an", -1), nth("x", "y", 1), nth("", "", 1)], [4, 4, 0, 1]);
    }
}
