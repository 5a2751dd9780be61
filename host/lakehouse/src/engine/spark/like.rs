//! Patterns of `LIKE`: another escape letter than the backslash, several patterns, and what no pattern is.

use asgard_contract::Result;
use sqlparser::ast::{BinaryOperator, Expr, Value};

use crate::engine::rewrite::{arguments, binary, literal, name_of, place, refused, text};

/// Brings a pattern to the engine's form, in which the escape letter is a backslash, and several patterns to comparisons of their own.
pub(super) fn mend(expr: &mut Expr) -> Result<()> {
    let Some((op, patterns)) = several(expr) else { return one(expr) };
    let mut each = Vec::with_capacity(patterns.len());
    for alone in patterns {
        let mut like = expr.clone();
        if let Expr::Like { any, pattern, .. } | Expr::ILike { any, pattern, .. } = &mut like {
            *any = false;
            **pattern = alone;
        }
        one(&mut like)?;
        each.push(like);
    }
    match each.into_iter().reduce(|left, right| binary(left, op.clone(), right)) {
        Some(all) => *expr = all,
        None => return refused(place(expr), "LIKE ANY and LIKE ALL take one pattern at least"),
    }
    Ok(())
}

/// `LIKE ANY (a, b)` and `LIKE SOME (a, b)` are for one of the patterns, `LIKE ALL (a, b)` for each; none: there is one pattern.
fn several(expr: &Expr) -> Option<(BinaryOperator, Vec<Expr>)> {
    let (Expr::Like { any, pattern, .. } | Expr::ILike { any, pattern, .. }) = expr else { return None };
    match pattern.as_ref() {
        Expr::Tuple(patterns) if *any => Some((BinaryOperator::Or, patterns.clone())),
        Expr::Nested(pattern) if *any => Some((BinaryOperator::Or, vec![(**pattern).clone()])),
        Expr::Function(function) => match name_of(function).as_str() {
            "all" => Some((BinaryOperator::And, arguments(function)?)),
            "some" | "any" => Some((BinaryOperator::Or, arguments(function)?)),
            _ => None,
        },
        _ => None,
    }
}

fn one(expr: &mut Expr) -> Result<()> {
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
