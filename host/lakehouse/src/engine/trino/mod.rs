//! Trino's SQL, and `datediff(unit, a, b)`, which the platform's gold statements use for `date_diff`.

mod aggregates;
mod average;
mod bits;
mod bytes;
mod calls;
mod collections;
mod format;
mod functions;
mod json;
mod literals;
mod meaning;
mod moments;
mod names;
mod numeric;
mod percentile;
mod rewrites;
mod statistics;
mod syntax;
mod tokens;
mod types;
mod urls;
mod using;
mod words;

use std::sync::{Arc, LazyLock};

use asgard_contract::Result;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::{ExprPlanner, TypePlanner};
use datafusion::sql::planner::NullOrdering;
use sqlparser::ast::Query;
use sqlparser::tokenizer::TokenWithSpan;

use super::dialect::{Functions, SqlDialect};
use super::meaning::{Meaning, Operators};
use super::versions;

#[derive(Debug)]
struct Trino {
    functions: Functions,
    planners: Vec<Arc<dyn ExprPlanner>>,
}

/// The dialect.
pub(super) fn dialect() -> &'static dyn SqlDialect {
    static TRINO: LazyLock<Trino> = LazyLock::new(|| Trino {
        functions: functions::all(),
        planners: {
            let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(Operators(&meaning::TrinoMeaning))];
            planners.extend(SessionStateDefaults::default_expr_planners());
            planners
        },
    });
    &*TRINO
}

impl SqlDialect for Trino {
    fn name(&self) -> &'static str {
        "Trino's SQL"
    }

    fn syntax(&self) -> &dyn sqlparser::dialect::Dialect {
        &syntax::TrinoSyntax
    }

    fn takes_temporary_views(&self) -> bool {
        false
    }

    fn tokens(&self, tokens: &mut Vec<TokenWithSpan>) {
        versions::drop_for(tokens);
        tokens::changed(tokens);
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
        Arc::new(types::TrinoTypes)
    }

    fn meaning(&self) -> &dyn Meaning {
        &meaning::TrinoMeaning
    }

    fn nulls(&self) -> NullOrdering {
        NullOrdering::NullsLast
    }

    /// Its Iceberg tables have lower-case names only.
    fn keeps_case(&self) -> bool {
        false
    }
}
