//! Spark's `mask`: letters and digits of a text replaced by kind.
//!
//! A text is masked by its UTF-16 units, as Java does: a letter beyond U+FFFF is two units of neither kind.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use regex::Regex;

/// What replaces a kind; none: it stays.
struct Mask {
    upper: Option<char>,
    lower: Option<char>,
    digit: Option<char>,
    other: Option<char>,
}

impl Mask {
    fn apply(&self, text: &str, out: &mut String) {
        for letter in text.chars() {
            match kind(letter) {
                Kind::Upper => out.push(self.upper.unwrap_or(letter)),
                Kind::Lower => out.push(self.lower.unwrap_or(letter)),
                Kind::Digit => out.push(self.digit.unwrap_or(letter)),
                Kind::Other => match self.other {
                    Some(other) => out.extend(std::iter::repeat_n(other, letter.len_utf16())),
                    None => out.push(letter),
                },
            }
        }
    }
}

enum Kind {
    Upper,
    Lower,
    Digit,
    Other,
}

fn kind(letter: char) -> Kind {
    /// The general categories of Unicode, which Rust's own `is_uppercase` and its like are not.
    static KINDS: LazyLock<Option<[Regex; 3]>> =
        LazyLock::new(|| Some([Regex::new(r"\p{Lu}").ok()?, Regex::new(r"\p{Ll}").ok()?, Regex::new(r"\p{Nd}").ok()?]));
    match letter {
        'A'..='Z' => Kind::Upper,
        'a'..='z' => Kind::Lower,
        '0'..='9' => Kind::Digit,
        '\0'..='\x7F' | '\u{10000}'.. => Kind::Other,
        _ => {
            let mut buffer = [0; 4];
            let text: &str = letter.encode_utf8(&mut buffer);
            match &*KINDS {
                Some([upper, ..]) if upper.is_match(text) => Kind::Upper,
                Some([_, lower, _]) if lower.is_match(text) => Kind::Lower,
                Some([.., digit]) if digit.is_match(text) => Kind::Digit,
                _ => Kind::Other,
            }
        }
    }
}

/// `mask(text[, upper[, lower[, digit[, other]]]])`: null in the place of a letter leaves that kind as it is.
pub(in crate::engine) fn masked(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let letter = |index: usize, default: Option<char>, row: usize| -> Result<Option<char>> {
        let Some(argument) = arguments.get(index) else { return Ok(default) };
        if argument.is_null(row) {
            return Ok(None);
        }
        let text = argument.as_string::<i32>().value(row);
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => Ok(Some(letter)),
            _ => exec_err!("mask takes one letter for each kind, not '{text}'"),
        }
    };
    let mut out = StringBuilder::new();
    let mut text = String::new();
    for (row, value) in arguments[0].as_string::<i32>().iter().enumerate() {
        let mask = Mask {
            upper: letter(1, Some('X'), row)?,
            lower: letter(2, Some('x'), row)?,
            digit: letter(3, Some('n'), row)?,
            other: letter(4, None, row)?,
        };
        match value {
            Some(value) => {
                text.clear();
                mask.apply(value, &mut text);
                out.append_value(&text);
            }
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}
