//! Spark's generators: `explode` and its like, in the select list and behind `LATERAL VIEW`, and `range` as a table.

use asgard_contract::Result;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Select, SelectItem, Spanned, TableAlias,
    TableFactor, Value, ValueWithSpan,
};
use sqlparser::tokenizer::Span;

use crate::engine::rewrite::{call, name_of, null, place, refused, whole};
use crate::engine::text::Place;
use crate::engine::unnesting::{self, Column};

/// A table of more numbers than this is to be made in another way: they are in memory at once.
const NUMBERS_AT_MOST: i64 = 10_000_000;

/// `LATERAL VIEW [OUTER] explode(list) v AS x`, one after the other, and generators in the select list.
pub(super) fn rewritten(select: &mut Select, shown: fn(&Expr) -> String) -> Result<()> {
    for view in std::mem::take(&mut select.lateral_views) {
        let at = place(&view.lateral_view);
        let Expr::Function(function) = &view.lateral_view else {
            return refused(at, "LATERAL VIEW takes a generator, such as explode(list)");
        };
        let Some(columns) = columns(function, view.outer, &view.lateral_col_alias)? else {
            return refused(at, format!("`{}` is no generator that is supported here", name_of(function)));
        };
        let [from] = select.from.as_slice() else {
            return refused(at, "LATERAL VIEW stands behind one table here: put the join into a subquery of its own");
        };
        let from = from.clone();
        let together = view.lateral_view_name.0.last().and_then(|part| part.as_ident()).cloned();
        let from = unnesting::beside(select, from, columns, together.as_ref(), at)?;
        select.from = vec![from];
    }
    let items = std::mem::take(&mut select.projection);
    for item in items {
        let (expr, alias) = match &item {
            SelectItem::UnnamedExpr(expr) => (expr, None),
            // The name that the statement did not give.
            SelectItem::ExprWithAlias { expr, alias } if alias.value == shown(expr).to_lowercase() => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
            _ => {
                select.projection.push(item);
                continue;
            }
        };
        let made = match expr {
            Expr::Function(function) => columns(function, false, alias.map(std::slice::from_ref).unwrap_or_default())?,
            _ => None,
        };
        match made {
            Some(columns) => select.projection.extend(columns.into_iter().map(Column::item)),
            None => select.projection.push(item),
        }
    }
    Ok(())
}

/// Positional and named arguments alike: generators have one that matters.
fn given(function: &Function) -> Vec<Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let arguments = list.args.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
        | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }
        | FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(expr), .. } => Some(expr.clone()),
        _ => None,
    });
    arguments.collect()
}

/// The columns that a generator makes; none: it is none.
fn columns(function: &Function, outer: bool, names: &[Ident]) -> Result<Option<Vec<Column>>> {
    let name = name_of(function);
    let (base, is_outer) = match name.strip_suffix("_outer") {
        Some(base) => (base, true),
        None => (name.as_str(), outer),
    };
    if !matches!(base, "explode" | "posexplode" | "stack") {
        return Ok(None);
    }
    let span = function.name.span();
    let at = Place::of(span.start);
    let arguments = given(function);
    if base == "stack" {
        return stacked(&arguments, names, at).map(Some);
    }
    let [list] = arguments.as_slice() else { return refused(at, format!("`{name}` takes one list or map")) };
    let mut lists: Vec<(&str, Expr)> = Vec::new();
    if base == "posexplode" {
        lists.push(("pos", call("$positions", span, vec![list.clone()])));
    }
    if names.len() == lists.len() + 2 {
        lists.push(("key", call("map_keys", span, vec![list.clone()])));
        lists.push(("value", call("map_values", span, vec![list.clone()])));
    } else {
        lists.push(("col", list.clone()));
    }
    if !names.is_empty() && names.len() != lists.len() {
        return refused(at, format!("`{name}` makes {} columns, and {} have names", lists.len(), names.len()));
    }
    let columns = lists.into_iter().enumerate().map(|(index, (usual, list))| Column {
        list: if is_outer { call("$filled", span, vec![list]) } else { list },
        name: names.get(index).cloned().unwrap_or_else(|| Ident::with_quote('"', usual)),
    });
    Ok(Some(columns.collect()))
}

/// `stack(rows, value, …)`: values by rows, the last filled up with nulls.
fn stacked(arguments: &[Expr], names: &[Ident], at: Option<Place>) -> Result<Vec<Column>> {
    let (rows, values) = match arguments {
        [Expr::Value(ValueWithSpan { value: Value::Number(rows, _), .. }), values @ ..] if !values.is_empty() => {
            (rows.parse::<usize>().unwrap_or(0), values)
        }
        _ => return refused(at, "`stack` takes a number of rows, written out, and values"),
    };
    if rows == 0 {
        return refused(at, "`stack` makes one row at least");
    }
    let width = values.len().div_ceil(rows);
    let columns = (0..width).map(|column| {
        let list = (0..rows).map(|row| values.get(row * width + column).cloned().unwrap_or_else(null)).collect();
        Column {
            list: call("array", Span::empty(), list),
            name: names.get(column).cloned().unwrap_or_else(|| Ident::with_quote('"', format!("col{column}"))),
        }
    });
    Ok(columns.collect())
}

/// `FROM range([start,] end [, step])`: a table of one column, `id`.
pub(super) fn range(table: &mut TableFactor) -> Result<bool> {
    let TableFactor::Table { name, alias, args: Some(arguments), .. } = &*table else { return Ok(false) };
    if !name.to_string().eq_ignore_ascii_case("range") {
        return Ok(false);
    }
    let at = Place::of(name.span().start);
    let numbers: Option<Vec<i64>> = arguments
        .args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => expr.to_string().replace(' ', "").parse().ok(),
            _ => None,
        })
        .collect();
    let (start, end, step) = match numbers.as_deref() {
        Some([end]) => (0, *end, 1),
        Some([start, end]) => (*start, *end, 1),
        Some([start, end, step] | [start, end, step, _]) if *step != 0 => (*start, *end, *step),
        _ => {
            return refused(
                at,
                "`range` takes whole numbers that are written out: an end, or a start, an end and a step",
            );
        }
    };
    let count = end.saturating_sub(start) / step;
    if count > NUMBERS_AT_MOST {
        return refused(at, format!("`range` makes {NUMBERS_AT_MOST} numbers at most here"));
    }
    let bigint = |number: i64| crate::engine::rewrite::cast(whole(number), sqlparser::ast::DataType::BigInt(None));
    let list = call("$range", name.span(), vec![bigint(start), bigint(end), bigint(step)]);
    let numbers = Column { list, name: Ident::with_quote('"', "id") };
    let usual = TableAlias { explicit: true, name: Ident::with_quote('"', "range"), columns: Vec::new() };
    let alias = Some(alias.clone().unwrap_or(usual));
    let subquery = Box::new(unnesting::query(vec![numbers.item()], Vec::new()));
    *table = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
    Ok(true)
}
