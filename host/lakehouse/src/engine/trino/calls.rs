//! Calls that are written as other calls.

use asgard_contract::Result;
use sqlparser::ast::{
    Array, BinaryOperator, DataType, ExactNumberInfo, Expr, Function, FunctionArgumentClause, FunctionArguments,
    OrderByExpr, OrderByOptions, Spanned,
};
use sqlparser::tokenizer::Span;

use crate::engine::rewrite::{
    arguments, binary, call, case, cast, name_of, nested, null, place, refused, rename, text, whole, with_arguments,
};

/// Rewrites a call, if it is one of these.
pub(super) fn rewritten(expr: &mut Expr) -> Result<bool> {
    let at = place(expr);
    let Expr::Function(function) = expr else { return Ok(false) };
    let name = name_of(function);
    let span = function.name.span();
    let arguments = arguments(function);
    match (name.as_str(), arguments.as_deref()) {
        ("e", Some([])) => *expr = double("2.718281828459045"),
        ("nan", Some([])) => *expr = double("NaN"),
        ("infinity", Some([])) => *expr = double("Infinity"),
        ("current_timezone", Some([])) => *expr = text("UTC"),
        ("normalize", Some([value, Expr::Identifier(form)])) => {
            *expr = call("normalize", span, vec![value.clone(), text(form.value.clone())]);
        }
        ("from_unixtime", Some([seconds, zone])) => {
            let moment = call("from_unixtime", span, vec![seconds.clone()]);
            *expr = call("at_timezone", span, vec![moment, zone.clone()]);
        }
        ("geometric_mean", Some([value])) => {
            let logarithm = call("ln", span, vec![cast(value.clone(), DataType::Double(ExactNumberInfo::None))]);
            rename(function, "avg");
            with_arguments(function, vec![logarithm]);
            *expr = call("exp", span, vec![expr.clone()]);
        }
        ("bitwise_and_agg" | "bitwise_or_agg" | "bitwise_xor_agg", Some([value])) => {
            let value = cast(value.clone(), DataType::BigInt(None));
            rename(function, &format!("${name}"));
            with_arguments(function, vec![value]);
        }
        ("approx_distinct", Some(_)) => {
            rename(function, "$approx_distinct");
            *expr = cast(expr.clone(), DataType::BigInt(None));
        }
        ("nullif", Some([value, other])) => {
            let same = binary(value.clone(), BinaryOperator::Eq, other.clone());
            *expr = case(same, null(), Some(value.clone()));
        }
        ("approx_percentile", Some([value, rest @ .., Expr::Array(parts)])) if rest.len() < 2 => {
            let each = parts.elem.iter().map(|part| {
                let mut one = function.clone();
                let arguments = [value.clone()].into_iter().chain(rest.iter().cloned()).chain([part.clone()]);
                with_arguments(&mut one, arguments.collect());
                Expr::Function(one)
            });
            *expr = Expr::Array(Array { elem: each.collect(), named: true });
        }
        ("max_by" | "min_by", Some([value, by, count])) => {
            *expr = first_of(function, span, value, by, count, name == "max_by", at)?;
        }
        ("max" | "min", Some([value, count])) => {
            *expr = first_of(function, span, value, value, count, name == "max", at)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn double(value: &str) -> Expr {
    cast(text(value), DataType::Double(ExactNumberInfo::None))
}

/// Gives arguments that are casts a name of their own: to the planner `sum(x)` and `sum(CAST(x AS double))` have one.
pub(super) fn told_apart(function: &mut Function) {
    let Some(mut arguments) = arguments(function) else { return };
    let mut changed = false;
    for argument in &mut arguments {
        if let Expr::Cast { data_type, .. } = argument {
            let to = text(data_type.to_string());
            *argument = call("$typed", argument.span(), vec![argument.clone(), to]);
            changed = true;
        }
    }
    if changed {
        with_arguments(function, arguments);
    }
}

/// The first values in an order: those of the greatest or the least. Rows without what is ordered by do not count.
fn first_of(
    function: &Function,
    span: Span,
    value: &Expr,
    by: &Expr,
    count: &Expr,
    greatest: bool,
    at: Option<crate::engine::text::Place>,
) -> Result<Expr> {
    let name = name_of(function);
    if function.over.is_some() {
        return refused(at, format!("`{name}` with a count is not supported as a window function"));
    }
    let mut all = function.clone();
    let known = Expr::IsNotNull(Box::new(nested(by.clone())));
    all.filter = Some(Box::new(match all.filter.take() {
        Some(filter) => binary(*filter, BinaryOperator::And, known),
        None => known,
    }));
    rename(&mut all, "array_agg");
    with_arguments(&mut all, vec![value.clone()]);
    if let FunctionArguments::List(list) = &mut all.args {
        let options = OrderByOptions { asc: Some(!greatest), nulls_first: Some(false) };
        let order = OrderByExpr { expr: by.clone(), options, with_fill: None };
        list.clauses.push(FunctionArgumentClause::OrderBy(vec![order]));
    }
    Ok(call("$slice", span, vec![Expr::Function(all), whole(1), count.clone()]))
}
