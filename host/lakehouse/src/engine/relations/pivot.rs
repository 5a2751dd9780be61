//! Spark's PIVOT, rows as columns, and UNPIVOT, columns as rows: each as the query that says the same.
//!
//! Sources: Spark's SQL reference, "PIVOT Clause" and "UNPIVOT Clause"; names and empty cells as Spark 4.1 has them.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{ExprSchemable, LogicalPlan};
use sqlparser::ast::{
    BinaryOperator, Expr, ExprWithAlias, GroupByExpr, Ident, NullInclusion, PivotValueSource, SelectItem, SetExpr,
    Spanned, TableFactor, TableWithJoins, visit_expressions_mut,
};

use super::query;
use crate::engine::rewrite::{binary, call, case, name_of, nested, text, whole};

/// Gives the columns of a PIVOT the names that the statement's text gives them, before anything in it is rewritten.
pub(in crate::engine) fn name_columns(
    aggregates: &mut [ExprWithAlias],
    values: &mut PivotValueSource,
    shown: fn(&Expr) -> String,
) {
    let named = |each: &mut ExprWithAlias| {
        if each.alias.is_none() {
            let name = match &each.expr {
                Expr::Tuple(parts) => format!("{{{}}}", parts.iter().map(shown).collect::<Vec<_>>().join(", ")),
                Expr::Value(value) if value.value == sqlparser::ast::Value::Null => "null".to_owned(),
                other => shown(other),
            };
            each.alias = Some(Ident::with_quote('"', name.to_lowercase()));
        }
    };
    aggregates.iter_mut().for_each(named);
    if let PivotValueSource::List(values) = values {
        values.iter_mut().for_each(named);
    }
}

/// `table PIVOT (aggregate, … FOR column IN (value, …))`: what is in none of them groups the rows.
pub(super) fn pivoted(
    table: TableFactor,
    aggregates: Vec<ExprWithAlias>,
    on: Vec<Expr>,
    values: PivotValueSource,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let PivotValueSource::List(values) = values else {
        return plan_err!("PIVOT takes its values written out: FOR column IN ('a', 'b')");
    };
    let input = context.plan(table.clone())?;
    let schema = input.schema();
    let mut used = HashSet::new();
    for expr in &on {
        used.extend(
            context.sql_to_expr(expr.clone(), schema)?.column_refs().into_iter().map(|column| column.name.clone()),
        );
    }
    let mut fixed_width = true;
    for aggregate in &aggregates {
        let planned = context.sql_to_expr(aggregate.expr.clone(), schema)?;
        fixed_width &= has_fixed_width(&planned.get_type(schema)?);
        used.extend(planned.column_refs().into_iter().map(|column| column.name.clone()));
    }
    let groups: Vec<Ident> = others(schema, &used);
    let mut items: Vec<SelectItem> =
        groups.iter().cloned().map(Expr::Identifier).map(SelectItem::UnnamedExpr).collect();
    for value in &values {
        let condition = condition(&on, &value.expr)?;
        for aggregate in &aggregates {
            let mut cell = aggregate.expr.clone();
            if !filtered(&mut cell, &condition, context) {
                return plan_err!("PIVOT takes aggregates, not `{}`", aggregate.expr);
            }
            // Spark has no value where a group has no such row, not even a count of 0; except where one of the aggregates is
            // of a type that its rows do not keep in place.
            let expr = if fixed_width {
                let mut rows = call("count", aggregate.expr.span(), vec![whole(1)]);
                filtered(&mut rows, &condition, context);
                case(binary(rows, BinaryOperator::Gt, whole(0)), cell, None)
            } else {
                cell
            };
            items.push(SelectItem::ExprWithAlias { expr, alias: name(value, aggregate, aggregates.len() == 1) });
        }
    }
    let mut query = query(items, vec![TableWithJoins { relation: table, joins: Vec::new() }]);
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.group_by = GroupByExpr::Expressions(groups.into_iter().map(Expr::Identifier).collect(), Vec::new());
    }
    context.plan(derived(query))
}

/// Those that Spark collects the cells of by place.
fn has_fixed_width(data_type: &DataType) -> bool {
    data_type.is_numeric() || matches!(data_type, DataType::Boolean)
}

fn others(schema: &DFSchema, used: &HashSet<String>) -> Vec<Ident> {
    let names = schema.fields().iter().map(|field| field.name());
    names.filter(|name| !used.contains(*name)).map(|name| Ident::with_quote('"', name)).collect()
}

fn name(value: &ExprWithAlias, aggregate: &ExprWithAlias, one: bool) -> Ident {
    let own =
        |each: &ExprWithAlias| each.alias.as_ref().map_or_else(|| each.expr.to_string(), |name| name.value.clone());
    let name = if one { own(value) } else { format!("{}_{}", own(value), own(aggregate)) };
    Ident::with_quote('"', name.to_lowercase())
}

/// Whether a row is one of a value's.
fn condition(on: &[Expr], value: &Expr) -> Result<Expr> {
    let parts: Vec<Expr> = match value {
        Expr::Tuple(parts) => parts.clone(),
        one => vec![one.clone()],
    };
    if parts.len() != on.len() {
        return plan_err!("PIVOT has {} columns, and `{value}` is of {}", on.len(), parts.len());
    }
    let same = on.iter().zip(parts).map(|(column, part)| {
        nested(Expr::IsNotDistinctFrom(Box::new(nested(column.clone())), Box::new(nested(part))))
    });
    let all = same.reduce(|one, other| binary(one, BinaryOperator::And, other));
    all.map_or_else(|| plan_err!("PIVOT takes a column: FOR column IN (…)"), Ok)
}

/// Lets the aggregates of an expression see such rows alone; false: it has none.
fn filtered(expr: &mut Expr, condition: &Expr, context: &dyn RelationPlannerContext) -> bool {
    let mut any = false;
    let _ = visit_expressions_mut(expr, |inner| {
        if let Expr::Function(function) = inner
            && function.over.is_none()
            && context.context_provider().get_aggregate_meta(&name_of(function)).is_some()
        {
            any = true;
            function.filter = Some(Box::new(match function.filter.take() {
                Some(own) => binary(*own, BinaryOperator::And, condition.clone()),
                None => condition.clone(),
            }));
        }
        ControlFlow::<()>::Continue(())
    });
    any
}

/// `table UNPIVOT [INCLUDE NULLS] (value FOR name IN (column, …))`, or of several values at once.
pub(super) fn unpivoted(
    table: TableFactor,
    value: Expr,
    name: Ident,
    columns: Vec<ExprWithAlias>,
    nulls: Option<NullInclusion>,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let input = context.plan(table.clone())?;
    let values = identifiers(&value)?;
    let mut used = HashSet::new();
    let mut names = Vec::with_capacity(columns.len());
    let mut lists: Vec<Vec<Expr>> = vec![Vec::with_capacity(columns.len()); values.len()];
    for column in &columns {
        let parts = match &column.expr {
            Expr::Tuple(parts) => parts.clone(),
            Expr::Nested(inner) => vec![*inner.clone()],
            one => vec![one.clone()],
        };
        if parts.len() != values.len() {
            return plan_err!(
                "UNPIVOT makes {} columns of values, and `{}` is of {}",
                values.len(),
                column.expr,
                parts.len()
            );
        }
        let mut own = Vec::with_capacity(parts.len());
        for (part, list) in parts.into_iter().zip(&mut lists) {
            let planned = context.sql_to_expr(part.clone(), input.schema())?;
            let datafusion::logical_expr::Expr::Column(column) = planned else {
                return plan_err!("UNPIVOT takes columns, not `{part}`");
            };
            own.push(column.name.clone());
            used.insert(column.name);
            list.push(part);
        }
        let shown = column.alias.as_ref().map_or_else(|| own.join("_"), |alias| alias.value.clone());
        names.push(text(shown));
    }
    let listed = |list: Vec<Expr>, name: &Ident| SelectItem::ExprWithAlias {
        expr: call("unnest", name.span, vec![call("array", name.span, list)]),
        alias: name.clone(),
    };
    let others = others(input.schema(), &used).into_iter().map(Expr::Identifier).map(SelectItem::UnnamedExpr);
    let mut items: Vec<SelectItem> = others.collect();
    items.push(listed(names, &name));
    items.extend(lists.into_iter().zip(&values).map(|(list, name)| listed(list, name)));
    let rows = query(items, vec![TableWithJoins { relation: table, joins: Vec::new() }]);
    if matches!(nulls, Some(NullInclusion::IncludeNulls)) {
        return context.plan(derived(rows));
    }
    let known = values.into_iter().map(|name| Expr::IsNotNull(Box::new(Expr::Identifier(name))));
    let all = SelectItem::Wildcard(sqlparser::ast::WildcardAdditionalOptions::default());
    let mut filtered = query(vec![all], vec![TableWithJoins { relation: derived(rows), joins: Vec::new() }]);
    if let SetExpr::Select(select) = filtered.body.as_mut() {
        select.selection = known.reduce(|one, other| binary(one, BinaryOperator::Or, other));
    }
    context.plan(derived(filtered))
}

fn identifiers(expr: &Expr) -> Result<Vec<Ident>> {
    let parts = match expr {
        Expr::Tuple(parts) => parts.as_slice(),
        Expr::Nested(inner) => return identifiers(inner),
        one => std::slice::from_ref(one),
    };
    let names: Option<Vec<Ident>> = parts
        .iter()
        .map(|part| match part {
            Expr::Identifier(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    names.map_or_else(|| plan_err!("UNPIVOT takes names for its values, not `{expr}`"), Ok)
}

fn derived(query: sqlparser::ast::Query) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery: Box::new(query), alias: None, sample: None }
}
