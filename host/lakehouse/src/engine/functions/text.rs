//! Functions of text. Regular expressions are written as Java writes them, and run in linear time: what needs backtracking
//! (look-around, back-references) is refused.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListBuilder, StringArray, StringBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use regex::Regex;

/// A text of nothing but repetition is no longer than this.
const TEXT_AT_MOST: usize = 1 << 20;

/// Applies a function to each text; null stays null.
fn each(array: &ArrayRef, change: impl Fn(&str, &mut String)) -> ArrayRef {
    let mut out = StringBuilder::new();
    let mut text = String::new();
    for value in array.as_string::<i32>() {
        match value {
            Some(value) => {
                text.clear();
                change(value, &mut text);
                out.append_value(&text);
            }
            None => out.append_null(),
        }
    }
    Arc::new(out.finish())
}

/// Spark's `initcap`: the first letter of every word between spaces.
pub(in crate::engine) fn capitalized(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    Ok(each(&arguments[0], |value, out| {
        let mut begins = true;
        for letter in value.chars() {
            if begins {
                out.extend(letter.to_uppercase());
            } else {
                out.extend(letter.to_lowercase());
            }
            begins = letter == ' ';
        }
    }))
}

/// `replace(text, search[, replacement])`.
pub(in crate::engine) fn replaced(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (texts, searches) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let replacements = arguments.get(2).map(|array| array.as_string::<i32>());
    let values: StringArray = (0..texts.len())
        .map(|row| {
            let (text, search) = (value(texts, row)?, value(searches, row)?);
            let replacement = match replacements {
                Some(replacements) => value(replacements, row)?,
                None => "",
            };
            Some(text.replace(search, replacement))
        })
        .collect();
    Ok(Arc::new(values))
}

pub(in crate::engine) fn value(array: &StringArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

/// Letters of a text, in the result's type.
pub(in crate::engine) fn length(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let lengths: Int64Array = arguments[0]
        .as_string::<i32>()
        .iter()
        .map(|value| value.and_then(|value| i64::try_from(value.chars().count()).ok()))
        .collect();
    let lengths: ArrayRef = Arc::new(lengths);
    Ok(cast(&lengths, to)?)
}

/// `strpos(text, part)`: from 1; 0 = not in it.
pub(in crate::engine) fn position(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let (texts, parts) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let positions: Int64Array = texts
        .iter()
        .zip(parts)
        .map(|(text, part)| {
            let (text, part) = (text?, part?);
            let at = text.find(part).map_or(0, |at| text[..at].chars().count() + 1);
            i64::try_from(at).ok()
        })
        .collect();
    let positions: ArrayRef = Arc::new(positions);
    Ok(cast(&positions, to)?)
}

/// `space(count)`.
pub(in crate::engine) fn spaces(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let counts = arguments[0].as_primitive::<Int64Type>();
    let mut out = StringBuilder::new();
    for count in counts {
        match count.map(|count| usize::try_from(count.max(0))) {
            Some(Ok(count)) if count <= TEXT_AT_MOST => out.append_value(" ".repeat(count)),
            Some(_) => return exec_err!("a text of that many spaces is too long: at most {TEXT_AT_MOST}"),
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Trino's `substr(text, start[, length])`: from 1, or from -1 at the end; nothing from outside of the text.
pub(in crate::engine) fn part_of(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (texts, starts) = (arguments[0].as_string::<i32>(), arguments[1].as_primitive::<Int64Type>());
    let lengths = arguments.get(2).map(|array| array.as_primitive::<Int64Type>());
    let values: StringArray = (0..texts.len())
        .map(|row| {
            let text = value(texts, row)?;
            let start = starts.is_valid(row).then(|| starts.value(row))?;
            let length = match lengths {
                Some(lengths) => lengths.is_valid(row).then(|| lengths.value(row))?,
                None => i64::MAX,
            };
            let letters = i64::try_from(text.chars().count()).ok()?;
            let first = if start < 0 { letters + start } else { start - 1 };
            if start == 0 || first < 0 || first >= letters || length <= 0 {
                return Some(String::new());
            }
            let (skip, take) = (usize::try_from(first).ok()?, usize::try_from(length).unwrap_or(usize::MAX));
            Some(text.chars().skip(skip).take(take).collect())
        })
        .collect();
    Ok(Arc::new(values))
}

/// `concat_ws(separator, …)`: nulls are passed over.
pub(in crate::engine) fn joined(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let separators = arguments[0].as_string::<i32>();
    let parts: Vec<&StringArray> = arguments[1..].iter().map(|array| array.as_string::<i32>()).collect();
    let values: StringArray = (0..separators.len())
        .map(|row| {
            let separator = value(separators, row)?;
            Some(parts.iter().filter_map(|part| value(part, row)).collect::<Vec<_>>().join(separator))
        })
        .collect();
    Ok(Arc::new(values))
}

/// `concat(…)`: null if any part is.
pub(in crate::engine) fn concatenated(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let parts: Vec<&StringArray> = arguments.iter().map(|array| array.as_string::<i32>()).collect();
    let rows = parts.first().map_or(0, |part| part.len());
    let values: StringArray =
        (0..rows).map(|row| parts.iter().map(|part| value(part, row)).collect::<Option<String>>()).collect();
    Ok(Arc::new(values))
}

/// `split_part(text, delimiter, index)`: null beyond the last part.
pub(in crate::engine) fn part(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (texts, delimiters) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let indexes = arguments[2].as_primitive::<Int64Type>();
    let mut out = StringBuilder::new();
    for row in 0..texts.len() {
        let (Some(text), Some(delimiter), true) = (value(texts, row), value(delimiters, row), indexes.is_valid(row))
        else {
            out.append_null();
            continue;
        };
        let Some(index) = usize::try_from(indexes.value(row)).ok().filter(|index| *index > 0) else {
            return exec_err!("split_part counts from 1, not {}", indexes.value(row));
        };
        out.append_option(text.split(delimiter).nth(index - 1));
    }
    Ok(Arc::new(out.finish()))
}

/// Spark's `substring_index(text, delimiter, count)`.
pub(in crate::engine) fn before_delimiter(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (texts, delimiters) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let counts = arguments[2].as_primitive::<Int64Type>();
    let values: StringArray = (0..texts.len())
        .map(|row| {
            let (text, delimiter) = (value(texts, row)?, value(delimiters, row)?);
            let count = counts.is_valid(row).then(|| counts.value(row))?;
            if delimiter.is_empty() || count == 0 {
                return Some(String::new());
            }
            let parts: Vec<&str> = text.split(delimiter).collect();
            let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX).min(parts.len());
            let kept = if count > 0 { &parts[..wanted] } else { &parts[parts.len() - wanted..] };
            Some(kept.join(delimiter))
        })
        .collect();
    Ok(Arc::new(values))
}

/// Compiles expressions, mostly one and the same.
pub(in crate::engine) struct Expressions<'a> {
    texts: &'a StringArray,
    last: Option<(&'a str, Regex)>,
}

impl<'a> Expressions<'a> {
    pub(in crate::engine) fn of(array: &'a ArrayRef) -> Self {
        Self { texts: array.as_string(), last: None }
    }

    pub(in crate::engine) fn at(&mut self, row: usize) -> Result<Option<&Regex>> {
        if self.texts.is_null(row) {
            return Ok(None);
        }
        let text = self.texts.value(row);
        if self.last.as_ref().is_none_or(|(last, _)| *last != text) {
            match Regex::new(text) {
                Ok(compiled) => self.last = Some((text, compiled)),
                Err(_) => {
                    return exec_err!(
                        "'{text}' is no regular expression that is supported (no look-around, no back-references)"
                    );
                }
            }
        }
        Ok(self.last.as_ref().map(|(_, compiled)| compiled))
    }
}

/// `regexp_like(text, expression)`.
pub(in crate::engine) fn matches(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let mut expressions = Expressions::of(&arguments[1]);
    let mut values = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let expression = expressions.at(row)?;
        values.push(value(texts, row).and_then(|text| Some(expression?.is_match(text))));
    }
    Ok(Arc::new(BooleanArray::from(values)))
}

/// `regexp_count(text, expression)`.
pub(in crate::engine) fn match_count(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let mut expressions = Expressions::of(&arguments[1]);
    let mut values = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let expression = expressions.at(row)?;
        values.push(value(texts, row).and_then(|text| i64::try_from(expression?.find_iter(text).count()).ok()));
    }
    let values: ArrayRef = Arc::new(Int64Array::from(values));
    Ok(cast(&values, to)?)
}

/// `regexp_replace(text, expression[, replacement])`: every match.
pub(in crate::engine) fn matches_replaced(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let replacements = arguments.get(2).map(|array| array.as_string::<i32>());
    let mut expressions = Expressions::of(&arguments[1]);
    let mut out = StringBuilder::new();
    for row in 0..texts.len() {
        let expression = expressions.at(row)?;
        let replacement = match replacements {
            Some(replacements) => value(replacements, row),
            None => Some(""),
        };
        match (value(texts, row), expression, replacement) {
            (Some(text), Some(expression), Some(replacement)) => {
                out.append_value(expression.replace_all(text, groups(replacement).as_str()));
            }
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Java's `$1` and `\$` as the regex crate writes them: `${1}` and `$$`.
pub(super) fn groups(replacement: &str) -> String {
    let mut out = String::new();
    let mut letters = replacement.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('$') => out.push_str("$$"),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            '$' if letters.peek().is_some_and(char::is_ascii_digit) => {
                let mut number = String::new();
                while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                // Writing to a string does not fail.
                let _ = write!(out, "${{{number}}}");
            }
            '$' if letters.peek() == Some(&'{') => out.push('$'),
            '$' => out.push_str("$$"),
            other => out.push(other),
        }
    }
    out
}

/// Spark's `regexp_extract(text, expression[, group])`: the first group by default, nothing = empty text.
pub(in crate::engine) fn extracted_or_empty(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    extracted(arguments, 1, Some(""))
}

/// Trino's: the whole match by default, nothing = null.
pub(in crate::engine) fn extracted_or_null(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    extracted(arguments, 0, None)
}

fn extracted(arguments: &[ArrayRef], default: i64, nothing: Option<&str>) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let groups = arguments.get(2).map(|array| array.as_primitive::<Int64Type>());
    let mut expressions = Expressions::of(&arguments[1]);
    let mut out = StringBuilder::new();
    for row in 0..texts.len() {
        let expression = expressions.at(row)?;
        let group = match groups {
            Some(groups) if groups.is_null(row) => None,
            Some(groups) => Some(groups.value(row)),
            None => Some(default),
        };
        let (Some(text), Some(expression), Some(group)) = (value(texts, row), expression, group) else {
            out.append_null();
            continue;
        };
        let Some(group) = usize::try_from(group).ok().filter(|group| *group < expression.captures_len()) else {
            return exec_err!("the expression '{expression}' has no group {group}");
        };
        match expression.captures(text) {
            Some(captures) => out.append_option(captures.get(group).map(|found| found.as_str()).or(nothing)),
            None => out.append_option(nothing),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// The type of a list of texts.
pub(in crate::engine) fn text_list() -> DataType {
    DataType::new_list(DataType::Utf8, true)
}

/// `(text, expression)`: the parts between matches; Spark's `split`, Trino's `regexp_split`.
pub(in crate::engine) fn split_by_expression(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let mut expressions = Expressions::of(&arguments[1]);
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in 0..texts.len() {
        let expression = expressions.at(row)?;
        match (value(texts, row), expression) {
            (Some(text), Some(expression)) => out.append_value(expression.split(text).map(Some)),
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_name_groups_as_java_does() {
        let replace = |text: &str, expression: &str, replacement: &str| {
            Regex::new(expression).unwrap().replace_all(text, groups(replacement).as_str()).into_owned()
        };
        assert_eq!(replace("a1b2", r"([a-z])(\d)", "$2$1x"), "1ax2bx");
        assert_eq!(replace("cost 5", r"\d", r"\$5"), "cost $5");
        assert_eq!(replace("x", "x", "a$"), "a$");
    }
}
