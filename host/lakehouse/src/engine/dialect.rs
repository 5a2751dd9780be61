//! What the two dialects have to say about a statement; everything else is the same for both.
//!
//! A statement passes through a dialect three times: its text is parsed by the dialect's syntax, its tree is rewritten where
//! the planner lacks a word for something, and the plan's expressions get the dialect's meaning where the planner's own
//! differs (integer division, decimals, casts, comparison of different types).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use asgard_contract::Result;
use asgard_contract::lakehouse::Dialect;
use datafusion::logical_expr::planner::{ExprPlanner, TypePlanner};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use datafusion::sql::planner::NullOrdering;
use sqlparser::ast::Query;
use sqlparser::tokenizer::TokenWithSpan;

use super::meaning::Meaning;
use super::{spark, trino};

/// One dialect of SQL.
pub(super) trait SqlDialect: Debug + Send + Sync {
    /// For messages.
    fn name(&self) -> &'static str;
    fn syntax(&self) -> &dyn sqlparser::dialect::Dialect;
    /// Whether temporary views may come before a statement's query.
    fn takes_temporary_views(&self) -> bool;
    /// Changes the text before it becomes tokens, where the tokenizer lacks a form of literal.
    fn text<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        Cow::Borrowed(sql)
    }
    /// Changes the text's tokens before they are parsed, where the parser lacks a form of literal.
    fn tokens(&self, _tokens: &mut Vec<TokenWithSpan>) {}
    /// Puts what the planner knows in the place of what it does not. Unsupported syntax is refused here, by name.
    fn rewrite(&self, query: &mut Query) -> Result<()>;
    /// Only these functions exist: one that the dialect lacks is refused, so that a statement does not come to depend on it.
    fn functions(&self) -> &Functions;
    fn planners(&self) -> &[Arc<dyn ExprPlanner>];
    fn types(&self) -> Arc<dyn TypePlanner>;
    fn meaning(&self) -> &dyn Meaning;
    /// Where nulls go when ORDER BY does not say.
    fn nulls(&self) -> NullOrdering;
    /// Whether the lambda of `transform` and `filter` may take an element's place besides.
    fn counts_elements(&self) -> bool {
        false
    }
    /// Whether a SELECT's columns see those before them.
    fn sees_columns_before(&self) -> bool {
        false
    }
    /// Whether names of columns keep their case.
    fn keeps_case(&self) -> bool;
}

/// The dialect of a statement.
pub(super) fn of(dialect: Dialect) -> &'static dyn SqlDialect {
    match dialect {
        Dialect::Spark => spark::dialect(),
        Dialect::Trino => trino::dialect(),
    }
}

/// What the engine underneath has, to pick from.
pub(super) struct Stock {
    functions: Functions,
}

impl Stock {
    pub(super) fn new(
        scalars: impl IntoIterator<Item = Arc<ScalarUDF>>,
        aggregates: impl IntoIterator<Item = Arc<AggregateUDF>>,
        windows: impl IntoIterator<Item = Arc<WindowUDF>>,
    ) -> Self {
        let mut functions = Functions::default();
        for function in scalars {
            let names = function.aliases().iter().map(String::as_str).chain([function.name()]);
            functions.scalar(&names.collect::<Vec<_>>(), &function);
        }
        for function in aggregates {
            let names = function.aliases().iter().map(String::as_str).chain([function.name()]);
            functions.aggregate(&names.collect::<Vec<_>>(), &function);
        }
        for function in windows {
            let names = function.aliases().iter().map(String::as_str).chain([function.name()]);
            functions.window(&names.collect::<Vec<_>>(), &function);
        }
        Self { functions }
    }

    /// Takes functions over that mean the same in a dialect: `(its names there, its name here)`. Answers with those that
    /// are not there; a test sees to it that there are none.
    pub(super) fn give(&self, to: &mut Functions, picks: &[(&[&str], &str)]) -> Vec<String> {
        let mut missing = Vec::new();
        for (names, name) in picks {
            let mut found = false;
            if let Some(function) = self.functions.scalars.get(*name) {
                to.scalar(names, function);
                found = true;
            }
            if let Some(function) = self.functions.aggregates.get(*name) {
                to.aggregate(names, function);
                found = true;
            }
            if let Some(function) = self.functions.windows.get(*name) {
                to.window(names, function);
                found = true;
            }
            if !found {
                missing.push((*name).to_owned());
            }
        }
        missing
    }
}

/// Functions by lower-case name.
#[derive(Debug, Default)]
pub(super) struct Functions {
    pub(super) scalars: HashMap<String, Arc<ScalarUDF>>,
    pub(super) aggregates: HashMap<String, Arc<AggregateUDF>>,
    pub(super) windows: HashMap<String, Arc<WindowUDF>>,
}

impl Functions {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.scalars.contains_key(name) || self.aggregates.contains_key(name) || self.windows.contains_key(name)
    }

    /// All names that a statement may use; those of the engine's own making begin with `$`.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        let scalars = self.scalars.keys().map(String::as_str);
        let aggregates = self.aggregates.keys().map(String::as_str);
        let windows = self.windows.keys().map(String::as_str);
        scalars.chain(aggregates).chain(windows).filter(|name| !name.starts_with('$'))
    }

    pub(super) fn scalar(&mut self, names: &[&str], function: &Arc<ScalarUDF>) {
        for name in names {
            self.scalars.insert((*name).to_owned(), Arc::clone(function));
        }
    }

    pub(super) fn aggregate(&mut self, names: &[&str], function: &Arc<AggregateUDF>) {
        for name in names {
            self.aggregates.insert((*name).to_owned(), Arc::clone(function));
        }
    }

    pub(super) fn window(&mut self, names: &[&str], function: &Arc<WindowUDF>) {
        for name in names {
            self.windows.insert((*name).to_owned(), Arc::clone(function));
        }
    }
}
