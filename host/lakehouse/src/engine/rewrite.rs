//! Walking over a query's tree and putting one expression in the place of another: what both dialects share.

use std::ops::ControlFlow;

use asgard_contract::{Error, Result};
use sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, GroupByExpr, GroupByWithModifier, Ident,
    ObjectName, OrderByExpr, OrderByOptions, Query, Select, SelectItem, SetExpr, Spanned, Subscript,
    TableAliasColumnDef, TableFactor, TableWithJoins, UnaryOperator, Value, ValueWithSpan, Values, VisitMut,
    VisitorMut, visit_expressions,
};
use sqlparser::tokenizer::Span;

use super::meaning::WRITTEN;
use super::relations::{query, shared_columns};
use super::text::{Place, wrong};

/// What a dialect does to each part. Inner parts come before outer ones.
pub(super) trait Rewriter {
    /// The name of a column that the statement gives none; `position` from 0.
    fn column_name(&self, position: usize, expr: &Expr) -> String;
    fn query(&self, _query: &mut Query) -> Result<()> {
        Ok(())
    }
    fn select(&self, select: &mut Select) -> Result<()>;
    fn expr(&self, expr: &mut Expr) -> Result<()>;
    fn table(&self, table: &mut TableFactor) -> Result<()>;
}

/// Applies a rewriter to a whole query.
pub(super) fn rewrite(query: &mut Query, rewriter: &dyn Rewriter) -> Result<()> {
    match query.visit(&mut Walk { rewriter }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Walk<'a> {
    rewriter: &'a dyn Rewriter,
}

impl VisitorMut for Walk<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let Some(with) = &mut query.with
            && with.recursive
        {
            for cte in &mut with.cte_tables {
                name_columns(&mut cte.query.body, &cte.alias.columns);
            }
        }
        flow(self.rewriter.query(query))?;
        flow(body(&mut query.body, self.rewriter))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match subscripts(expr) {
            Ok(Some(taken)) => *expr = taken,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        flow(self.rewriter.expr(expr))
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Error> {
        // The planner would read all rows.
        if let TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } = table {
            return flow(refused(
                Place::of(table.span().start),
                "TABLESAMPLE is not supported: filter by a hash of the key",
            ));
        }
        flow(self.rewriter.table(table))
    }
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

fn body(body_expr: &mut SetExpr, rewriter: &dyn Rewriter) -> Result<()> {
    match body_expr {
        SetExpr::Select(select) => {
            shared_columns(select)?;
            for (position, item) in select.projection.iter_mut().enumerate() {
                name_item(position, item, rewriter);
            }
            grouping_sets(&mut select.group_by)?;
            rewriter.select(select)
        }
        SetExpr::SetOperation { left, right, .. } => {
            body(left, rewriter)?;
            body(right, rewriter)
        }
        SetExpr::Values(values) => {
            let rows = values.rows.iter_mut().flatten();
            rows.filter(|expr| !is_plain(expr)).for_each(|expr| *expr = call(WRITTEN, expr.span(), vec![expr.clone()]));
            Ok(())
        }
        // A nested query is visited by itself.
        _ => Ok(()),
    }
}

/// `GROUP BY a, b WITH ROLLUP` is `GROUP BY ROLLUP (a, b)`; the planner passes over the words.
fn grouping_sets(group_by: &mut GroupByExpr) -> Result<()> {
    let GroupByExpr::Expressions(keys, modifiers) = group_by else { return Ok(()) };
    let sets = |keys: &mut Vec<Expr>| std::mem::take(keys).into_iter().map(|key| vec![key]).collect();
    match modifiers.as_slice() {
        [] => return Ok(()),
        [GroupByWithModifier::Rollup] => *keys = vec![Expr::Rollup(sets(keys))],
        [GroupByWithModifier::Cube] => *keys = vec![Expr::Cube(sets(keys))],
        _ => return refused(None, "behind the keys of GROUP BY only WITH ROLLUP or WITH CUBE is supported"),
    }
    modifiers.clear();
    Ok(())
}

/// A literal whose type the planner knows.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) => true,
        Expr::UnaryOp { expr, .. } => is_plain(expr),
        _ => false,
    }
}

/// `WITH RECURSIVE r (a, b)`: the recursive part reads the names before the planner gives them.
fn name_columns(body: &mut SetExpr, names: &[TableAliasColumnDef]) {
    match body {
        SetExpr::SetOperation { left, .. } => name_columns(left, names),
        SetExpr::Select(select) => {
            for (item, column) in select.projection.iter_mut().zip(names) {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: column.name.clone() };
                }
            }
        }
        SetExpr::Values(_) => {
            let items = names.iter().enumerate().map(|(index, column)| SelectItem::ExprWithAlias {
                expr: Expr::Identifier(Ident::with_quote('"', format!("column{}", index + 1))),
                alias: column.name.clone(),
            });
            let values = std::mem::replace(
                body,
                SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: Vec::new() }),
            );
            let mut rows = query(Vec::new(), Vec::new());
            *rows.body = values;
            let relation = TableFactor::Derived { lateral: false, subquery: Box::new(rows), alias: None, sample: None };
            let named = query(items.collect(), vec![TableWithJoins { relation, joins: Vec::new() }]);
            *body = *named.body;
        }
        _ => {}
    }
}

fn name_item(position: usize, item: &mut SelectItem, rewriter: &dyn Rewriter) {
    let SelectItem::UnnamedExpr(expr) = item else { return };
    let has_name = match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::CompoundFieldAccess { access_chain, .. } => matches!(access_chain.last(), Some(AccessExpr::Dot(_))),
        _ => false,
    };
    if has_name {
        return;
    }
    let alias = Ident::with_quote('"', rewriter.column_name(position, expr).to_lowercase());
    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
}

/// Where an expression begins.
pub(super) fn place(expr: &Expr) -> Option<Place> {
    Place::of(expr.span().start)
}

/// Refuses what the dialect, or this engine, does not have.
pub(super) fn refused<T>(place: Option<Place>, what: impl AsRef<str>) -> Result<T> {
    Err(wrong(place, what))
}

/// A function's lower-case name.
pub(super) fn name_of(function: &Function) -> String {
    let parts = function.name.0.iter().filter_map(|part| part.as_ident());
    parts.map(|part| part.value.to_lowercase()).collect::<Vec<_>>().join(".")
}

/// Whether a function's value changes from call to call.
pub(super) fn is_of_chance(function: &Function) -> bool {
    ["rand", "random", "randn", "uuid", "shuffle"].contains(&name_of(function).as_str())
}

/// The last part of a name, in lower case.
pub(super) fn last_part(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(|part| part.value.to_lowercase()).unwrap_or_default()
}

/// The arguments of a plain call `f(a, b)`; none where it has more to it than expressions.
pub(super) fn arguments(function: &Function) -> Option<Vec<Expr>> {
    match &function.args {
        FunctionArguments::List(list) if list.duplicate_treatment.is_none() && list.clauses.is_empty() => list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

/// Puts other arguments into a call, keeping DISTINCT, FILTER, OVER and the rest.
pub(super) fn with_arguments(function: &mut Function, arguments: Vec<Expr>) {
    let arguments: Vec<FunctionArg> =
        arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    match &mut function.args {
        FunctionArguments::List(list) => list.args = arguments,
        other => {
            *other = FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: None,
                args: arguments,
                clauses: Vec::new(),
            });
        }
    }
}

/// Gives a call another name; it stands where it stood.
pub(super) fn rename(function: &mut Function, name: &str) {
    let span = function.name.span();
    function.name = ObjectName::from(vec![ident(name, span)]);
}

fn ident(name: &str, span: Span) -> Ident {
    // Quoted: names of the engine's own begin with a sign that is no letter.
    Ident { value: name.to_owned(), quote_style: Some('"'), span }
}

/// `name(arguments)`, standing at a place of the statement.
pub(super) fn call(name: &str, span: Span, arguments: Vec<Expr>) -> Expr {
    let mut function = Function {
        name: ObjectName::from(vec![ident(name, span)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::None,
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    };
    with_arguments(&mut function, arguments);
    Expr::Function(function)
}

pub(super) fn text(value: impl Into<String>) -> Expr {
    Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(value.into()), span: Span::empty() })
}

pub(super) fn whole(value: i64) -> Expr {
    Expr::Value(ValueWithSpan { value: Value::Number(value.to_string(), false), span: Span::empty() })
}

pub(super) fn null() -> Expr {
    Expr::Value(ValueWithSpan { value: Value::Null, span: Span::empty() })
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

pub(super) fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    nested(Expr::BinaryOp { left: Box::new(nested(left)), op, right: Box::new(nested(right)) })
}

pub(super) fn negated(expr: Expr, negated: bool) -> Expr {
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(nested(expr)) } } else { expr }
}

/// `CASE WHEN condition THEN then ELSE otherwise END`.
pub(super) fn case(condition: Expr, then: Expr, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        end_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: then }],
        else_result: otherwise.map(Box::new),
    }
}

/// `root.a[index].b`: a subscript is a call of `$subscript`, since engines count and refuse differently; none: there is no subscript.
///
/// # Errors
/// For a slice, `list[1:2]`.
fn subscripts(expr: &Expr) -> Result<Option<Expr>> {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return Ok(None) };
    let Some(at) = access_chain.iter().position(|access| matches!(access, AccessExpr::Subscript(_))) else {
        return Ok(None);
    };
    let AccessExpr::Subscript(Subscript::Index { index }) = &access_chain[at] else {
        return refused(place(expr), "slices (`list[1:2]`) are not supported: use slice");
    };
    let taken = call("$subscript", expr.span(), vec![fields(root, &access_chain[..at]), index.clone()]);
    let rest = &access_chain[at + 1..];
    if rest.is_empty() {
        return Ok(Some(taken));
    }
    let rest = Expr::CompoundFieldAccess { root: Box::new(taken), access_chain: rest.to_vec() };
    Ok(Some(subscripts(&rest)?.unwrap_or(rest)))
}

/// A root with fields behind it; names in a row are one name to the planner.
fn fields(root: &Expr, chain: &[AccessExpr]) -> Expr {
    if chain.is_empty() {
        return root.clone();
    }
    let mut names = match root {
        Expr::Identifier(name) => vec![name.clone()],
        Expr::CompoundIdentifier(names) => names.clone(),
        _ => Vec::new(),
    };
    for access in chain {
        match access {
            AccessExpr::Dot(Expr::Identifier(name)) if !names.is_empty() => names.push(name.clone()),
            _ => return Expr::CompoundFieldAccess { root: Box::new(root.clone()), access_chain: chain.to_vec() },
        }
    }
    Expr::CompoundIdentifier(names)
}

/// The text of a string literal.
pub(super) fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        _ => None,
    }
}

/// Aggregates and windows that both dialects have and the planner calls or types otherwise. `counts` is the type of
/// `row_number()` and its like. True: the expression was rewritten.
pub(super) fn shared_calls(expr: &mut Expr, counts: &DataType) -> Result<bool> {
    let Expr::Function(function) = expr else { return Ok(false) };
    let name = name_of(function);
    let arguments = arguments(function);
    match (name.as_str(), arguments.as_deref()) {
        ("row_number" | "rank" | "dense_rank" | "ntile", Some(_)) if function.over.is_some() => {
            *expr = cast(expr.clone(), counts.clone());
        }
        ("if", Some([condition, then])) => *expr = case(condition.clone(), then.clone(), None),
        ("if", Some([condition, then, otherwise])) => {
            *expr = case(condition.clone(), then.clone(), Some(otherwise.clone()));
        }
        ("count_if", Some([condition])) => {
            let counted = case(condition.clone(), whole(1), None);
            rename(function, "count");
            with_arguments(function, vec![counted]);
        }
        ("max_by" | "min_by", Some([value, by])) => {
            if function.over.is_some() {
                return refused(place(expr), format!("`{name}` is not supported as a window function"));
            }
            let (value, by) = (value.clone(), by.clone());
            best_by(function, value, by, name == "max_by");
        }
        ("mod", Some([left, right])) => *expr = binary(left.clone(), BinaryOperator::Modulo, right.clone()),
        _ => return Ok(false),
    }
    Ok(true)
}

/// The value of the row with the greatest (or least) other value; rows without that one do not count.
fn best_by(function: &mut Function, value: Expr, by: Expr, greatest: bool) {
    let known = Expr::IsNotNull(Box::new(nested(by.clone())));
    function.filter = Some(Box::new(match function.filter.take() {
        Some(filter) => binary(*filter, BinaryOperator::And, known),
        None => known,
    }));
    rename(function, "first_value");
    with_arguments(function, vec![value]);
    if let FunctionArguments::List(list) = &mut function.args {
        let options = OrderByOptions { asc: Some(!greatest), nulls_first: Some(false) };
        list.clauses.push(FunctionArgumentClause::OrderBy(vec![OrderByExpr { expr: by, options, with_fill: None }]));
    }
}

/// `listagg(text, delimiter) WITHIN GROUP (ORDER BY key DESC)`: the keys follow the delimiter, each with whether it descends and
/// whether nulls are first; where that is not written, by whether it ascends.
pub(super) fn listed(
    function: &mut Function,
    value: &Expr,
    delimiter: Expr,
    order: Vec<OrderByExpr>,
    nulls_first: fn(bool) -> bool,
) {
    let mut arguments = vec![value.clone(), delimiter];
    for key in order {
        let ascends = key.options.asc.unwrap_or(true);
        arguments.extend([
            key.expr,
            truth(!ascends),
            truth(key.options.nulls_first.unwrap_or_else(|| nulls_first(ascends))),
        ]);
    }
    rename(function, "$listagg");
    with_arguments(function, arguments);
    function.within_group.clear();
}

/// A literal of a boolean.
pub(super) fn truth(value: bool) -> Expr {
    Expr::Value(ValueWithSpan { value: Value::Boolean(value), span: Span::empty() })
}

/// `GROUP BY ALL`: by every column of the select list that has no aggregate in it.
pub(super) fn group_by_all(
    select: &mut Select,
    aggregates: &std::collections::HashMap<String, std::sync::Arc<datafusion::logical_expr::AggregateUDF>>,
) {
    if !matches!(&select.group_by, GroupByExpr::All(modifiers) if modifiers.is_empty()) {
        return;
    }
    let is_aggregate = |function: &Function| {
        let name = name_of(function);
        function.over.is_none()
            && (aggregates.contains_key(&name) || ["count_if", "max_by", "min_by"].contains(&name.as_str()))
    };
    let keys = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    });
    let keys: Vec<Expr> = keys
        .filter(|expr| {
            let found = visit_expressions(*expr, |inner| match inner {
                Expr::Function(function) if is_aggregate(function) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            });
            found.is_continue()
        })
        .cloned()
        .collect();
    select.group_by = GroupByExpr::Expressions(keys, Vec::new());
}
