//! Spark's generators: `explode` and its like, in the select list and behind `LATERAL VIEW`, and `range` as a table.

use asgard_contract::Result;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, Join, JoinConstraint,
    JoinOperator, ObjectName, Select, SelectItem, SelectItemQualifiedWildcardKind, Spanned, TableAlias,
    TableAliasColumnDef, TableFactor, TableWithJoins, WildcardAdditionalOptions,
};
use sqlparser::tokenizer::Span;

use crate::engine::relations::{given, is_generator, query, stacked};
use crate::engine::rewrite::{call, last_part, name_of, place, refused, whole};
use crate::engine::text::Place;

/// A table of more numbers than this is to be made in another way: they are in memory at once.
const NUMBERS_AT_MOST: i64 = 10_000_000;

/// A column of elements: the list, and the column's name.
struct Column {
    list: Expr,
    name: Ident,
}

impl Column {
    /// As it stands in a select list.
    fn item(self) -> SelectItem {
        SelectItem::ExprWithAlias { expr: call("unnest", Span::empty(), vec![self.list]), alias: self.name }
    }
}

/// `LATERAL VIEW [OUTER] explode(list) v AS x`, one after the other, and generators in the select list.
pub(super) fn rewritten(select: &mut Select, shown: fn(&Expr) -> String) -> Result<()> {
    for view in std::mem::take(&mut select.lateral_views) {
        let at = place(&view.lateral_view);
        let Expr::Function(function) = &view.lateral_view else {
            return refused(at, "LATERAL VIEW takes a generator, such as explode(list)");
        };
        let mut name = name_of(function);
        if !is_generator(&name) {
            return refused(at, format!("`{name}` is no generator that is supported here"));
        }
        if view.outer && !name.ends_with("_outer") {
            name.push_str("_outer");
        }
        let columns =
            view.lateral_col_alias.into_iter().map(|name| TableAliasColumnDef { name, data_type: None }).collect();
        let Some(called) = view.lateral_view_name.0.last().and_then(|part| part.as_ident()).cloned() else {
            return refused(at, "LATERAL VIEW takes a name behind its generator");
        };
        let FunctionArguments::List(arguments) = &function.args else {
            return refused(at, format!("`{name}` takes a list or a map"));
        };
        beside(select, &name, function, arguments.args.clone(), TableAlias { explicit: true, name: called, columns });
    }
    inlined(select)?;
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
            Expr::Function(function) => columns(function, alias.map(std::slice::from_ref).unwrap_or_default())?,
            _ => None,
        };
        match made {
            Some(columns) => select.projection.extend(columns.into_iter().map(Column::item)),
            None => select.projection.push(item),
        }
    }
    Ok(())
}

/// Puts a generator behind all that a select reads.
pub(super) fn beside(select: &mut Select, name: &str, function: &Function, args: Vec<FunctionArg>, alias: TableAlias) {
    let quoted = Ident { value: name.to_owned(), quote_style: Some('"'), span: function.name.span() };
    let relation =
        |lateral| TableFactor::Function { lateral, name: ObjectName::from(vec![quoted]), args, alias: Some(alias) };
    if select.from.is_empty() {
        select.from.push(TableWithJoins { relation: relation(false), joins: Vec::new() });
        return;
    }
    // FROM a, b: the generator sees all of them.
    let from = std::mem::take(&mut select.from).into_iter().reduce(|mut first, next| {
        let cross = JoinOperator::CrossJoin(JoinConstraint::None);
        first.joins.push(Join { relation: next.relation, global: false, join_operator: cross });
        first.joins.extend(next.joins);
        first
    });
    select.from.extend(from);
    if let Some(from) = select.from.last_mut() {
        let cross = JoinOperator::CrossJoin(JoinConstraint::None);
        from.joins.push(Join { relation: relation(true), global: false, join_operator: cross });
    }
}

/// `inline(list of structs)` in the select list: how many columns it has is known where it is planned, so it stands in FROM.
fn inlined(select: &mut Select) -> Result<()> {
    for index in 0..select.projection.len() {
        let (SelectItem::UnnamedExpr(Expr::Function(function))
        | SelectItem::ExprWithAlias { expr: Expr::Function(function), .. }) = &select.projection[index]
        else {
            continue;
        };
        let function = function.clone();
        let name = name_of(&function);
        if !matches!(name.as_str(), "inline" | "inline_outer") {
            continue;
        }
        let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
        if grouped || select.having.is_some() {
            return refused(
                Place::of(function.name.span().start),
                format!("`{name}` beside GROUP BY is not supported: group in a subquery"),
            );
        }
        let FunctionArguments::List(arguments) = &function.args else { continue };
        let alias = Ident::with_quote('"', format!("${name}{index}"));
        let columns = TableAlias { explicit: true, name: alias.clone(), columns: Vec::new() };
        beside(select, &name, &function, arguments.args.clone(), columns);
        select.projection[index] = SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![alias])),
            WildcardAdditionalOptions::default(),
        );
    }
    Ok(())
}

/// A generator in FROM is a table function to the parser.
pub(super) fn table(table: &mut TableFactor) -> bool {
    match table {
        TableFactor::Function { name, .. } => is_generator(&last_part(name)),
        TableFactor::Table { name, alias, args: Some(arguments), .. } if is_generator(&last_part(name)) => {
            *table = TableFactor::Function {
                lateral: false,
                name: name.clone(),
                args: std::mem::take(&mut arguments.args),
                alias: alias.take(),
            };
            true
        }
        _ => false,
    }
}

/// The columns that a generator makes; none: it is none.
fn columns(function: &Function, names: &[Ident]) -> Result<Option<Vec<Column>>> {
    let name = name_of(function);
    let (base, is_outer) = match name.strip_suffix("_outer") {
        Some(base) => (base, true),
        None => (name.as_str(), false),
    };
    if !matches!(base, "explode" | "posexplode" | "stack") {
        return Ok(None);
    }
    let span = function.name.span();
    let at = Place::of(span.start);
    let arguments = match &function.args {
        FunctionArguments::List(list) => given(&list.args),
        _ => Vec::new(),
    };
    if base == "stack" {
        let lists = match stacked(&arguments) {
            Ok(lists) => lists,
            Err(message) => return refused(at, message),
        };
        let columns = lists.into_iter().enumerate().map(|(index, (list, usual))| Column {
            list,
            name: names.get(index).cloned().unwrap_or_else(|| Ident::with_quote('"', usual)),
        });
        return Ok(Some(columns.collect()));
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
    let subquery = Box::new(query(vec![numbers.item()], Vec::new()));
    *table = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
    Ok(true)
}
