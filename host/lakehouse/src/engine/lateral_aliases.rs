//! Spark's lateral column aliases: what a SELECT makes may be named by its columns behind it, where no relation has the name.
//!
//! Whether one has is known when the statement is planned. So only a name that was not found then is looked for among the columns
//! before it, and what that column is made of comes in its place.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, SchemaError};
use sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, SetExpr, VisitMut, VisitorMut, visit_expressions};

use super::rewrite::is_of_chance;
use super::text::Place;

/// Longer ones come of columns that name each other twice, again and again.
const LONGEST: usize = 64 << 10;

/// Puts what an earlier column is made of in the place of the name that the planner did not find. False: there is none.
pub(super) fn resolve(query: &mut Query, error: &DataFusionError) -> bool {
    let Some((name, place)) = not_found(error, None) else { return false };
    let mut selects = Selects { name, place };
    query.visit(&mut selects).is_break()
}

/// A column that is named without its relation, and where.
fn not_found(error: &DataFusionError, place: Option<Place>) -> Option<(String, Place)> {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let start = diagnostic.span.map(|span| Place { line: span.start.line, column: span.start.column });
            not_found(inner, start.or(place))
        }
        DataFusionError::Context(_, inner) => not_found(inner, place),
        DataFusionError::Collection(errors) => not_found(errors.first()?, place),
        DataFusionError::SchemaError(error, _) => match &**error {
            SchemaError::FieldNotFound { field, .. } if field.relation.is_none() => Some((field.name.clone(), place?)),
            _ => None,
        },
        _ => None,
    }
}

/// Looks for the SELECT that has the name.
struct Selects {
    name: String,
    place: Place,
}

impl VisitorMut for Selects {
    /// The name was replaced.
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.body(&mut query.body)
    }
}

impl Selects {
    fn body(&self, body: &mut SetExpr) -> ControlFlow<()> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)
            }
            // Queries in queries come by themselves.
            _ => ControlFlow::Continue(()),
        }
    }

    fn select(&self, select: &mut Select) -> ControlFlow<()> {
        let mut before: Vec<(Ident, Expr)> = Vec::new();
        for item in &mut select.projection {
            let named = match &*item {
                SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.clone()),
                _ => None,
            };
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = &mut *item else { continue };
            let mut own = before.iter().filter(|(name, _)| name.value.eq_ignore_ascii_case(&self.name));
            if let (Some((_, value)), None) = (own.next(), own.next())
                && may_be_repeated(value)
            {
                let mut names = Names { looked_for: self, value, depth: 0 };
                if expr.visit(&mut names).is_break() {
                    // It is called as it was.
                    if let Some(alias) = named {
                        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                    }
                    return ControlFlow::Break(());
                }
            }
            if let SelectItem::ExprWithAlias { expr, alias } = item {
                before.push((alias.clone(), expr.clone()));
            }
        }
        ControlFlow::Continue(())
    }
}

/// What is computed twice and left to chance is another the second time.
fn may_be_repeated(value: &Expr) -> bool {
    let by_chance = visit_expressions(value, |expr| match expr {
        Expr::Function(function) if is_of_chance(function) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    by_chance.is_continue() && value.to_string().len() <= LONGEST
}

/// Looks for the name in a column; subqueries do not see what is beside them.
struct Names<'a> {
    looked_for: &'a Selects,
    value: &'a Expr,
    depth: usize,
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Identifier(name) = &*expr else { return ControlFlow::Continue(()) };
        let is_it = name.value.eq_ignore_ascii_case(&self.looked_for.name)
            && Place::of(name.span.start) == Some(self.looked_for.place);
        if self.depth > 0 || !is_it {
            return ControlFlow::Continue(());
        }
        *expr = Expr::Nested(Box::new(self.value.clone()));
        ControlFlow::Break(())
    }
}
