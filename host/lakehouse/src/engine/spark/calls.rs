//! Calls that Spark writes differently from the functions here: by how many arguments there are, or in words between them.

use std::ops::ControlFlow;

use asgard_contract::Result;
use sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType, DuplicateTreatment, ExactNumberInfo, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, GroupByExpr, NullTreatment, OrderByExpr, Select, SelectItem, Spanned, Value,
    ValueWithSpan, visit_expressions_mut,
};

use crate::engine::rewrite::{
    arguments, binary, call, case, cast, listed, name_of, nested, null, place, refused, rename, text, truth, whole,
    with_arguments,
};

/// True: the expression was rewritten, and is done.
pub(super) fn rewritten(expr: &mut Expr) -> Result<bool> {
    match expr {
        Expr::Substring { expr: value, substring_from, substring_for, .. } => {
            let span = value.span();
            let parts = [Some(value), substring_from.as_mut(), substring_for.as_mut()];
            let parts = parts.into_iter().flatten().map(|part| (**part).clone()).collect();
            *expr = call("substring", span, parts);
        }
        Expr::Overlay { expr: value, overlay_what, overlay_from, overlay_for } => {
            let span = value.span();
            let mut parts = vec![(**value).clone(), (**overlay_what).clone(), (**overlay_from).clone()];
            parts.extend(overlay_for.as_ref().map(|length| (**length).clone()));
            *expr = call("overlay", span, parts);
        }
        Expr::Position { expr: part, r#in: value } => {
            *expr = call("locate", part.span(), vec![(**part).clone(), (**value).clone()]);
        }
        // `f(x).name`: the planner takes the name as text.
        Expr::CompoundFieldAccess { access_chain, .. } => {
            for access in access_chain {
                if let AccessExpr::Dot(name) = access
                    && let Expr::Identifier(ident) = name
                {
                    *name = text(ident.value.clone());
                }
            }
            return Ok(false);
        }
        Expr::Function(_) => return Ok(aggregate(expr)? || function(expr)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn function(expr: &mut Expr) -> Result<bool> {
    let Expr::Function(function) = expr else { return Ok(false) };
    let name = name_of(function);
    let arguments = arguments(function);
    match (name.as_str(), arguments.as_deref()) {
        ("e", Some([])) => *expr = cast(text(std::f64::consts::E.to_string()), DataType::Double(ExactNumberInfo::None)),
        ("decode", Some([_, _])) => rename(function, "$decode"),
        ("decode", Some([value, pairs @ ..])) if pairs.len() > 1 => {
            // From the last pair on, since each is the other's ELSE.
            let mut otherwise = (pairs.len() % 2 == 1).then(|| pairs[pairs.len() - 1].clone());
            for pair in pairs.chunks_exact(2).rev() {
                let is = Expr::IsNotDistinctFrom(Box::new(value.clone()), Box::new(pair[0].clone()));
                otherwise = Some(case(is, pair[1].clone(), otherwise));
            }
            *expr = otherwise.unwrap_or_else(|| value.clone());
        }
        ("levenshtein", Some([_, _, _])) => rename(function, "$levenshtein"),
        ("regexp_replace", Some([_, _, _, _])) => rename(function, "$regexp_replace"),
        ("rint", Some([value])) => {
            let value = cast(value.clone(), DataType::Double(ExactNumberInfo::None));
            with_arguments(function, vec![value]);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// All arguments of a call, also of one with DISTINCT.
fn plain_arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    if !list.clauses.is_empty() {
        return None;
    }
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    arguments.collect()
}

fn aggregate(expr: &mut Expr) -> Result<bool> {
    let at = place(expr);
    let Expr::Function(function) = expr else { return Ok(false) };
    let name = name_of(function);
    let Some(arguments) = plain_arguments(function) else { return Ok(false) };
    let order = function.within_group.clone();
    match (name.as_str(), arguments.as_slice(), order.as_slice()) {
        ("median", [value], []) => {
            let half = Expr::Value(ValueWithSpan {
                value: Value::Number("0.5".to_owned(), false),
                span: sqlparser::tokenizer::Span::empty(),
            });
            replace(function, "$percentile", vec![value.clone(), half]);
        }
        ("percentile", [_, _, ..], []) => rename(function, "$percentile"),
        ("percentile_cont", [percentage], [order]) => ordered(function, "$percentile", percentage, order),
        ("percentile_disc", [percentage], [order]) => ordered(function, "$percentile_disc", percentage, order),
        ("percentile_cont" | "percentile_disc", ..) => {
            return refused(at, format!("`{name}` is written {name}(0.5) WITHIN GROUP (ORDER BY value)"));
        }
        ("mode", [], [order]) => {
            let arguments = vec![order.expr.clone(), truth(true), truth(order.options.asc == Some(false))];
            replace(function, "mode", arguments);
        }
        ("first" | "first_value" | "last" | "last_value" | "any_value", [value, Expr::Value(flag)], []) => {
            let Value::Boolean(ignores) = flag.value else { return Ok(false) };
            if ignores {
                function.null_treatment = Some(NullTreatment::IgnoreNulls);
            }
            with_arguments(function, vec![value.clone()]);
        }
        ("listagg" | "string_agg", [value, rest @ ..], order) if rest.len() < 2 => {
            let delimiter = rest.first().cloned().unwrap_or_else(|| text(""));
            listed(function, value, delimiter, order.to_vec(), |ascends| ascends);
        }
        // Rows in which one of them is null are not counted.
        ("count", [_, _, ..], []) if is_distinct(function) => {
            let none_is_null = arguments.iter().map(|value| Expr::IsNotNull(Box::new(nested(value.clone()))));
            let none_is_null =
                none_is_null.reduce(|all, one| binary(all, BinaryOperator::And, one)).unwrap_or_else(null);
            let fields =
                arguments.iter().enumerate().flat_map(|(index, value)| [text(index.to_string()), value.clone()]);
            let row = call("named_struct", function.name.span(), fields.collect());
            with_arguments(function, vec![case(none_is_null, row, None)]);
        }
        ("try_avg", [_], []) => rename(function, "avg"),
        ("rank" | "dense_rank" | "percent_rank", [_, ..], []) if function.over.is_some() => {
            // Spark takes them, and looks at the window's order alone.
            with_arguments(function, Vec::new());
            return Ok(false);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn is_distinct(function: &Function) -> bool {
    matches!(&function.args, FunctionArguments::List(list)
        if list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
}

fn replace(function: &mut Function, name: &str, arguments: Vec<Expr>) {
    rename(function, name);
    with_arguments(function, arguments);
    function.within_group.clear();
}

fn ordered(function: &mut Function, name: &str, percentage: &Expr, order: &OrderByExpr) {
    let descending = truth(order.options.asc == Some(false));
    replace(function, name, vec![order.expr.clone(), percentage.clone(), whole(1), descending]);
}

/// `json_tuple(document, 'a', 'b')` makes a column of each name: `c0`, `c1`.
pub(super) fn json_tuples(select: &mut Select) {
    let is_tuple = |item: &SelectItem| {
        matches!(item, SelectItem::UnnamedExpr(Expr::Function(function))
            | SelectItem::ExprWithAlias { expr: Expr::Function(function), .. } if name_of(function) == "json_tuple")
    };
    if !select.projection.iter().any(is_tuple) {
        return;
    }
    let items = std::mem::take(&mut select.projection);
    for item in items {
        let (SelectItem::UnnamedExpr(Expr::Function(function))
        | SelectItem::ExprWithAlias { expr: Expr::Function(function), .. }) = &item
        else {
            select.projection.push(item);
            continue;
        };
        match arguments(function).as_deref() {
            Some([document, names @ ..]) if name_of(function) == "json_tuple" && !names.is_empty() => {
                for (index, name) in names.iter().enumerate() {
                    let expr = call("$json_member", function.name.span(), vec![document.clone(), name.clone()]);
                    let alias = sqlparser::ast::Ident::with_quote('"', format!("c{index}"));
                    select.projection.push(SelectItem::ExprWithAlias { expr, alias });
                }
            }
            _ => select.projection.push(item),
        }
    }
}

/// `grouping_id()` is of all that the query groups by, in that order.
pub(super) fn grouping_ids(select: &mut Select) {
    let GroupByExpr::Expressions(keys, _) = &select.group_by else { return };
    let mut all: Vec<Expr> = Vec::new();
    for key in keys {
        let parts: Vec<Expr> = match key {
            Expr::Cube(sets) | Expr::Rollup(sets) | Expr::GroupingSets(sets) => {
                sets.iter().flatten().cloned().collect()
            }
            other => vec![other.clone()],
        };
        for part in parts {
            if !all.contains(&part) {
                all.push(part);
            }
        }
    }
    let put = |expr: &mut Expr| {
        let _ = visit_expressions_mut(expr, |inner| {
            if let Expr::Function(function) = inner
                && name_of(function) == "grouping_id"
            {
                let given = arguments(function).unwrap_or_default();
                replace(function, "grouping", if given.is_empty() { all.clone() } else { given });
                let id = cast(inner.clone(), DataType::BigInt(None));
                *inner = id;
                return ControlFlow::<()>::Continue(());
            }
            ControlFlow::Continue(())
        });
    };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            put(expr);
        }
    }
    if let Some(having) = &mut select.having {
        put(having);
    }
}
