//! Spark's functions of regular expressions that say more than whether there is a match. How they are written: see [`super::text`].

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListBuilder, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use regex::Regex;

use super::text::{Expressions, groups, value};

/// `regexp_extract_all(text, expression[, group])`: of every match; the first group by default.
pub(in crate::engine) fn extracted_all(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let numbers = arguments.get(2).map(|array| array.as_primitive::<Int64Type>());
    let mut expressions = Expressions::of(&arguments[1]);
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..texts.len() {
        let number = match numbers {
            Some(numbers) => numbers.is_valid(row).then(|| numbers.value(row)),
            None => Some(1),
        };
        let (Some(text), Some(expression), Some(number)) = (value(texts, row), expressions.at(row)?, number) else {
            out.append_null();
            continue;
        };
        let group = group_of(expression, number)?;
        let found = expression
            .captures_iter(text)
            .map(|captures| Some(captures.get(group).map_or_else(String::new, |found| found.as_str().to_owned())));
        out.append_value(found);
    }
    Ok(Arc::new(out.finish()))
}

pub(in crate::engine) fn group_of(expression: &Regex, number: i64) -> Result<usize> {
    match usize::try_from(number).ok().filter(|number| *number < expression.captures_len()) {
        Some(group) => Ok(group),
        None => exec_err!("the expression '{expression}' has no group {number}"),
    }
}

/// `regexp_instr(text, expression[, group])`: where the first match begins, from 1; 0 = there is none. Spark looks at the group only
/// to refuse one that is not there, and counts as Java does: a letter beyond U+FFFF is two.
pub(in crate::engine) fn match_place(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let numbers = arguments.get(2).map(|array| array.as_primitive::<Int64Type>());
    let mut expressions = Expressions::of(&arguments[1]);
    let mut places = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let is_null = numbers.is_some_and(|numbers| numbers.is_null(row));
        let place = match (value(texts, row), expressions.at(row)?) {
            (Some(text), Some(expression)) if !is_null => {
                let before = expression.find(text).map(|found| text[..found.start()].encode_utf16().count() + 1);
                i64::try_from(before.unwrap_or(0)).ok()
            }
            _ => None,
        };
        places.push(place);
    }
    let places: ArrayRef = Arc::new(Int64Array::from(places));
    Ok(cast(&places, to)?)
}

/// `regexp_substr(text, expression)`: null where there is no match, or an empty one.
pub(in crate::engine) fn matched_part(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let mut expressions = Expressions::of(&arguments[1]);
    let mut out = StringBuilder::new();
    for row in 0..texts.len() {
        let expression = expressions.at(row)?;
        let found = value(texts, row).and_then(|text| expression?.find(text)).map(|found| found.as_str());
        out.append_option(found.filter(|found| !found.is_empty()));
    }
    Ok(Arc::new(out.finish()))
}

/// `regexp_replace(text, expression, replacement, position)`: every match from a position on.
pub(in crate::engine) fn replaced_from(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (texts, replacements) = (arguments[0].as_string::<i32>(), arguments[2].as_string::<i32>());
    let positions = arguments[3].as_primitive::<Int64Type>();
    let mut expressions = Expressions::of(&arguments[1]);
    let mut out = StringBuilder::new();
    for row in 0..texts.len() {
        let expression = expressions.at(row)?;
        let position = positions.is_valid(row).then(|| positions.value(row));
        let (Some(text), Some(expression), Some(replacement), Some(position)) =
            (value(texts, row), expression, value(replacements, row), position)
        else {
            out.append_null();
            continue;
        };
        let Some(skipped) = usize::try_from(position).ok().and_then(|position| position.checked_sub(1)) else {
            return exec_err!("regexp_replace counts positions from 1, not {position}");
        };
        let at = text.char_indices().nth(skipped).map_or(text.len(), |(at, _)| at);
        let (before, rest) = text.split_at(at);
        if rest.is_empty() && !text.is_empty() {
            out.append_value(text);
            continue;
        }
        out.append_value(format!("{before}{}", expression.replace_all(rest, groups(replacement).as_str())));
    }
    Ok(Arc::new(out.finish()))
}

/// Spark's `split(text, expression[, limit])`: a limit above 0 is how many parts there are at most.
pub(in crate::engine) fn split(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let limits = arguments.get(2).map(|array| array.as_primitive::<Int64Type>());
    let mut expressions = Expressions::of(&arguments[1]);
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..texts.len() {
        let expression = expressions.at(row)?;
        let limit = match limits {
            Some(limits) => limits.is_valid(row).then(|| limits.value(row)),
            None => Some(-1),
        };
        match (value(texts, row), expression, limit) {
            (Some(text), Some(expression), Some(limit)) => {
                let most = usize::try_from(limit).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
                out.append_value(parts(text, expression, most).into_iter().map(Some));
            }
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// As Java splits: an empty match at the beginning makes no part, and the empty expression makes one of each letter.
fn parts<'t>(text: &'t str, expression: &Regex, most: usize) -> Vec<&'t str> {
    if expression.as_str().is_empty() && !text.is_empty() {
        let mut parts = Vec::new();
        for (at, letter) in text.char_indices() {
            if parts.len() + 1 == most {
                parts.push(&text[at..]);
                break;
            }
            parts.push(&text[at..at + letter.len_utf8()]);
        }
        return parts;
    }
    let (mut parts, mut from) = (Vec::new(), 0);
    for found in expression.find_iter(text) {
        if parts.len() + 1 >= most {
            break;
        }
        if found.is_empty() && found.start() == 0 {
            continue;
        }
        parts.push(&text[from..found.start()]);
        from = found.end();
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_split_as_java_splits_them() {
        let cases: [(&str, &str, usize, &[&str]); 6] = [
            ("oneAtwoBthreeC", "[ABC]", usize::MAX, &["one", "two", "three", ""]),
            ("oneAtwoBthreeC", "[ABC]", 2, &["one", "twoBthreeC"]),
            ("abc", "", usize::MAX, &["a", "b", "c"]),
            ("abc", "", 2, &["a", "bc"]),
            ("", ",", usize::MAX, &[""]),
            (",a", ",", usize::MAX, &["", "a"]),
        ];
        for (text, expression, most, expected) in cases {
            assert_eq!(parts(text, &Regex::new(expression).unwrap(), most), expected, "{text} {expression}");
        }
    }
}
