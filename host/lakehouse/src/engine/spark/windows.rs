//! `window(time, '10 minutes', '5 minutes')`: a generator, whose column is called `window`. A row is in as many windows as have its
//! time in them, and in none without a time.

use std::ops::ControlFlow;

use asgard_contract::Result;
use sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, GroupByExpr, Ident, Select, SelectItem, Spanned,
    TableAlias, TableAliasColumnDef, visit_expressions_mut,
};

use super::generators::beside;
use crate::engine::calendar::{DAY, HOUR, MINUTE, SECOND};
use crate::engine::dialect::Functions;
use crate::engine::functions::Function as Scalar;
use crate::engine::functions::Kind::{Any, Moment, Whole};
use crate::engine::functions::Returns::By;
use crate::engine::functions::windows::{time, time_type, windows, windows_type};
use crate::engine::rewrite::{arguments, call, cast, literal, name_of, place, refused, whole};
use crate::engine::text::Place;

const COLUMN: &str = "window";

pub(super) fn register(all: &mut Functions) {
    let parameters = &[Moment, Whole, Whole, Whole];
    all.scalar(&["$windows"], &Scalar::new(COLUMN, parameters, By(windows_type), windows).lenient().build());
    all.scalar(&["window_time"], &Scalar::new("window_time", &[Any], By(time_type), time).build());
}

/// Puts the generator of a select's windows behind all that it reads, and its column in the place of the calls.
pub(super) fn rewritten(select: &mut Select, shown: fn(&Expr) -> String) -> Result<()> {
    let mut found: Option<Function> = None;
    for item in &mut select.projection {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = &mut *item else { continue };
        let unnamed = shown(expr).to_lowercase();
        let was_call = matches!(expr, Expr::Function(function) if is_window(function));
        replaced(expr, &mut found)?;
        if let SelectItem::ExprWithAlias { alias, .. } = item
            && was_call
            && alias.value == unnamed
        {
            *alias = column();
        }
    }
    if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
        keys.iter_mut().try_for_each(|key| replaced(key, &mut found))?;
    }
    select.having.iter_mut().try_for_each(|having| replaced(having, &mut found))?;
    let Some(function) = found else { return Ok(()) };
    let list = list(&function)?;
    // To the planner a field's name is all of the way to it.
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) = item
            && let [first, .., last] = names.as_slice()
            && first.value.eq_ignore_ascii_case(COLUMN)
        {
            let alias = Ident::with_quote('"', last.value.to_lowercase());
            *item = SelectItem::ExprWithAlias { expr: Expr::CompoundIdentifier(names.clone()), alias };
        }
    }
    let alias = TableAlias {
        explicit: true,
        name: Ident::with_quote('"', "$window"),
        columns: vec![TableAliasColumnDef { name: column(), data_type: None }],
    };
    beside(select, "explode", &function, vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(list))], alias);
    Ok(())
}

fn column() -> Ident {
    Ident::with_quote('"', COLUMN)
}

fn is_window(function: &Function) -> bool {
    name_of(function) == COLUMN && function.over.is_none()
}

fn replaced(expr: &mut Expr, found: &mut Option<Function>) -> Result<()> {
    let walked = visit_expressions_mut(expr, |inner| {
        let Expr::Function(function) = &*inner else { return ControlFlow::Continue(()) };
        if !is_window(function) {
            return ControlFlow::Continue(());
        }
        if found.as_ref().is_some_and(|other| other != function) {
            return ControlFlow::Break(place(inner));
        }
        *found = Some(function.clone());
        *inner = Expr::Identifier(column());
        ControlFlow::Continue(())
    });
    match walked {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(at) => {
            refused(at, "a select has windows of one time and one width: take the others in a subquery")
        }
    }
}

/// The windows of one row.
fn list(function: &Function) -> Result<Expr> {
    let at = Place::of(function.name.span().start);
    let written = arguments(function).unwrap_or_default();
    let (time, widths) = match written.as_slice() {
        [time, widths @ ..] if (1..=3).contains(&widths.len()) => (time, widths),
        _ => return refused(at, "`window` takes a time, a width, and, where windows overlap, a slide and a start"),
    };
    let lengths = widths.iter().map(|width| match literal(width).and_then(micros) {
        Some(length) => Ok(length),
        None => {
            refused(place(width), "expected a length of time that is written out: '10 minutes', '1 hour 30 seconds'")
        }
    });
    let lengths = lengths.collect::<Result<Vec<i64>>>()?;
    let width = lengths[0];
    let (slide, start) = (lengths.get(1).copied().unwrap_or(width), lengths.get(2).copied().unwrap_or(0));
    if width <= 0 || slide <= 0 || slide > width || start.abs() >= slide {
        return refused(
            at,
            "the width and the slide of a window are above 0, the slide is at most the width, and the start is below it",
        );
    }
    let bigint = |number| cast(whole(number), DataType::BigInt(None));
    Ok(call("$windows", function.name.span(), vec![time.clone(), bigint(width), bigint(slide), bigint(start)]))
}

/// Microseconds of `1 hour 30 seconds`. Months have no one length.
fn micros(text: &str) -> Option<i64> {
    let text = text.trim().to_lowercase();
    let words: Vec<&str> = text.strip_prefix("interval ").unwrap_or(&text).split_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(2) {
        return None;
    }
    words.chunks_exact(2).try_fold(0_i64, |sum, pair| {
        let unit = match pair[1].strip_suffix('s').unwrap_or(pair[1]) {
            "week" => 7 * DAY,
            "day" => DAY,
            "hour" => HOUR,
            "minute" => MINUTE,
            "second" => SECOND,
            "millisecond" => 1_000,
            "microsecond" => 1,
            _ => return None,
        };
        sum.checked_add(pair[0].parse::<i64>().ok()?.checked_mul(unit)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_they_are_written() {
        for (text, expected) in [
            ("10 minutes", Some(600_000_000)),
            ("1 hour 30 seconds", Some(3_630_000_000)),
            ("INTERVAL 2 DAYS", Some(172_800_000_000)),
            ("-5 milliseconds", Some(-5_000)),
            ("1 month", None),
            ("5", None),
            ("", None),
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
    }
}
