//! `a.x` beside `JOIN … USING (x)`: Trino has `x` alone then, of no relation. The planner would take the column of `a`.

use std::ops::ControlFlow;

use asgard_contract::{Error, Result};
use sqlparser::ast::{
    AccessExpr, Expr, Ident, JoinConstraint, JoinOperator, OrderBy, Query, Select, SetExpr, TableFactor,
    TableWithJoins, Visit, Visitor,
};

use crate::engine::rewrite::place;
use crate::engine::text::wrong;

/// Refuses what a query, without those in it, takes from a relation that a join took it from before.
pub(super) fn check(query: &Query) -> Result<()> {
    match body(&query.body, query.order_by.as_ref()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn body(body_expr: &SetExpr, order_by: Option<&OrderBy>) -> ControlFlow<Error> {
    match body_expr {
        SetExpr::Select(select) => of_select(select, order_by),
        // The order is that of the result, where relations have no names any more.
        SetExpr::SetOperation { left, right, .. } => {
            body(left, None)?;
            body(right, None)
        }
        _ => ControlFlow::Continue(()),
    }
}

fn of_select(select: &Select, order_by: Option<&OrderBy>) -> ControlFlow<Error> {
    let mut relations = Relations::default();
    for from in &select.from {
        relations.read(from)?;
    }
    select.projection.visit(&mut relations)?;
    select.selection.visit(&mut relations)?;
    select.group_by.visit(&mut relations)?;
    select.having.visit(&mut relations)?;
    select.named_window.visit(&mut relations)?;
    match order_by {
        Some(order_by) => order_by.visit(&mut relations),
        None => ControlFlow::Continue(()),
    }
}

/// What a FROM clause has, so far. Inner queries may have relations of the same names.
#[derive(Default)]
struct Relations {
    /// The names of relations, and the columns that joins took from them.
    named: Vec<(Vec<String>, Vec<String>)>,
    depth: usize,
}

impl Relations {
    fn read(&mut self, from: &TableWithJoins) -> ControlFlow<Error> {
        let first = self.named.len();
        self.relation(&from.relation)?;
        for join in &from.joins {
            self.relation(&join.relation)?;
            match constraint(&join.join_operator) {
                Some(JoinConstraint::On(condition)) => condition.visit(self)?,
                Some(JoinConstraint::Using(columns)) => {
                    let names = columns.iter().filter_map(|column| column.0.last()?.as_ident());
                    let names: Vec<String> = names.map(|name| name.value.clone()).collect();
                    for (_, taken) in &mut self.named[first..] {
                        taken.extend(names.iter().cloned());
                    }
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn relation(&mut self, relation: &TableFactor) -> ControlFlow<Error> {
        match relation {
            TableFactor::NestedJoin { table_with_joins, alias: None } => return self.read(table_with_joins),
            TableFactor::NestedJoin { .. } => {}
            // `UNNEST(a.x)` sees the relations before it.
            other => other.visit(self)?,
        }
        self.named.push((name(relation), Vec::new()));
        ControlFlow::Continue(())
    }

    /// The name of a column with its relation, where that has it no more, and the column's own.
    fn taken(&self, names: &[&Ident]) -> Option<(String, String)> {
        self.named.iter().find_map(|(relation, taken)| {
            // `t`, `silver.t` and `iceberg.silver.t` are the same relation.
            (0..relation.len()).find_map(|from| {
                let known = &relation[from..];
                let column = &names.get(known.len())?.value;
                let is_it = known.iter().zip(names).all(|(known, name)| known.eq_ignore_ascii_case(&name.value));
                let taken = taken.iter().find(|taken| taken.eq_ignore_ascii_case(column))?;
                is_it.then(|| (format!("{}.{taken}", known.join(".")), taken.clone()))
            })
        })
    }
}

impl Visitor for Relations {
    type Break = Error;

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<Error> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        match self.taken(&names(expr)) {
            Some((written, column)) => ControlFlow::Break(wrong(
                place(expr),
                format!("Column '{written}' cannot be resolved: beside USING there is `{column}` alone, so write that"),
            )),
            None => ControlFlow::Continue(()),
        }
    }
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    use JoinOperator::{FullOuter, Inner, Join, Left, LeftOuter, Right, RightOuter};
    match operator {
        Join(constraint)
        | Inner(constraint)
        | Left(constraint)
        | LeftOuter(constraint)
        | Right(constraint)
        | RightOuter(constraint)
        | FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

/// What a relation is called; nothing where it has no name.
fn name(relation: &TableFactor) -> Vec<String> {
    let (alias, table) = match relation {
        TableFactor::Table { alias, name, .. } => (alias, Some(name)),
        TableFactor::Derived { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => (alias, None),
        _ => (&None, None),
    };
    match (alias, table) {
        (Some(alias), _) => vec![alias.name.value.clone()],
        (None, Some(name)) => name.0.iter().filter_map(|part| part.as_ident()).map(|part| part.value.clone()).collect(),
        (None, None) => Vec::new(),
    }
}

/// The names at the begin of `a.x`, `a.x.field` and `a.x[1]`.
fn names(expr: &Expr) -> Vec<&Ident> {
    match expr {
        Expr::CompoundIdentifier(names) => names.iter().collect(),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let mut found: Vec<&Ident> = match &**root {
                Expr::Identifier(name) => vec![name],
                Expr::CompoundIdentifier(names) => names.iter().collect(),
                _ => return Vec::new(),
            };
            found.extend(access_chain.iter().map_while(|access| match access {
                AccessExpr::Dot(Expr::Identifier(name)) => Some(name),
                _ => None,
            }));
            found
        }
        _ => Vec::new(),
    }
}
