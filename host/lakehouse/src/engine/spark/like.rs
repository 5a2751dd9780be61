//! Patterns of `LIKE` that are written out: another escape letter than the backslash, and what no pattern is.

use asgard_contract::Result;
use sqlparser::ast::{Expr, Value};

use crate::engine::rewrite::{literal, place, refused, text};

/// Brings a pattern to the engine's form, in which the escape letter is a backslash.
pub(super) fn mend(expr: &mut Expr) -> Result<()> {
    let at = place(expr);
    let (Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. }) = expr else {
        return Ok(());
    };
    let escape = match escape_char {
        None => '\\',
        Some(Value::SingleQuotedString(letter)) => match letter.chars().collect::<Vec<_>>()[..] {
            [letter] => letter,
            _ => return refused(at, "ESCAPE takes one letter"),
        },
        Some(_) => return refused(at, "ESCAPE takes one letter, as text"),
    };
    let Some(written) = literal(pattern) else {
        return if escape == '\\' { Ok(()) } else { refused(at, "with ESCAPE the pattern is written out") };
    };
    let mut plain = String::with_capacity(written.len());
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        if letter != escape {
            if letter == '\\' {
                plain.push('\\');
            }
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some(next @ ('%' | '_')) => plain.extend(['\\', next]),
            Some(next) if next == escape && next == '\\' => plain.push_str("\\\\"),
            Some(next) if next == escape => plain.push(next),
            _ => return refused(at, format!("in a pattern `{escape}` stands before `%`, `_` or itself")),
        }
    }
    *escape_char = None;
    **pattern = text(plain);
    Ok(())
}
