//! Spark's SQL, as version 4 has it: ANSI mode, time zone UTC.

mod aggregates;
mod bytes;
mod calls;
mod collections;
mod documents;
mod functions;
mod generators;
mod like;
mod meaning;
mod moments;
mod numbers;
mod raw_strings;
mod rewrites;
mod syntax;
mod tokens;
mod types;
mod windows;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use asgard_contract::Result;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::{ExprPlanner, TypePlanner};
use datafusion::sql::planner::NullOrdering;
use sqlparser::ast::Query;
use sqlparser::tokenizer::TokenWithSpan;

use super::dialect::{Functions, SqlDialect};
use super::meaning::{Meaning, Operators};

#[derive(Debug)]
struct Spark {
    functions: Functions,
    planners: Vec<Arc<dyn ExprPlanner>>,
}

/// The dialect.
pub(super) fn dialect() -> &'static dyn SqlDialect {
    static SPARK: LazyLock<Spark> = LazyLock::new(|| Spark {
        functions: functions::all(),
        planners: {
            let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![
                Arc::new(Operators(&meaning::SparkMeaning)),
                Arc::new(datafusion_spark::planner::SparkFunctionPlanner),
            ];
            planners.extend(SessionStateDefaults::default_expr_planners());
            planners
        },
    });
    &*SPARK
}

impl SqlDialect for Spark {
    fn name(&self) -> &'static str {
        "Spark SQL"
    }

    fn syntax(&self) -> &dyn sqlparser::dialect::Dialect {
        &syntax::SparkSyntax
    }

    fn takes_temporary_views(&self) -> bool {
        true
    }

    fn text<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        raw_strings::plain(sql)
    }

    fn tokens(&self, tokens: &mut Vec<TokenWithSpan>) {
        syntax::join_suffixes(tokens);
        tokens::mend(tokens);
    }

    fn rewrite(&self, query: &mut Query) -> Result<()> {
        super::rewrite::rewrite(query, &rewrites::Rewrites)
    }

    fn functions(&self) -> &Functions {
        &self.functions
    }

    fn planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn types(&self) -> Arc<dyn TypePlanner> {
        Arc::new(types::SparkTypes)
    }

    fn meaning(&self) -> &dyn Meaning {
        &meaning::SparkMeaning
    }

    /// Nulls are the smallest.
    fn nulls(&self) -> NullOrdering {
        NullOrdering::NullsMin
    }

    fn counts_elements(&self) -> bool {
        true
    }

    fn sees_columns_before(&self) -> bool {
        true
    }

    fn keeps_case(&self) -> bool {
        true
    }
}
