//! Whether a query only calls functions that its dialect has.

use std::ops::ControlFlow;

use asgard_contract::{Error, Result};
use sqlparser::ast::{Expr, FunctionArguments, Query, Spanned, Visit, Visitor};

use crate::engine::dialect::SqlDialect;
use crate::engine::rewrite::name_of;
use crate::engine::text::{Place, nearest, wrong};

/// Known to the planner itself.
const BUILT_IN: [&str; 1] = ["unnest"];

/// Refuses a function that the dialect lacks, with the nearest one it has.
pub(in crate::engine) fn check(dialect: &dyn SqlDialect, query: &Query) -> Result<()> {
    match query.visit(&mut Checker { dialect }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Checker<'a> {
    dialect: &'a dyn SqlDialect,
}

impl Visitor for Checker<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        // Without parentheses it may be a column.
        if matches!(function.args, FunctionArguments::None) {
            return ControlFlow::Continue(());
        }
        let name = name_of(function);
        let functions = self.dialect.functions();
        if functions.contains(&name) || BUILT_IN.contains(&name.as_str()) {
            return ControlFlow::Continue(());
        }
        let hint = match nearest(&name, functions.names()) {
            Some(known) => format!(": did you mean `{known}`?"),
            None => String::new(),
        };
        ControlFlow::Break(wrong(
            Place::of(function.name.span().start),
            format!("there is no function `{name}` in {}, as far as it is supported here{hint}", self.dialect.name()),
        ))
    }
}
