//! SQL over the lakehouse: DataFusion, given the names, types and meanings of Spark's SQL (silver) and Trino's (gold).
//!
//! The way of a statement, one module each:
//! 1. [`script`] parses it in its dialect's syntax and lets only queries through.
//! 2. [`scope`] finds what its names stand for: tables, views, inputs ([`scan`], [`files`]).
//! 3. the dialect ([`spark`], [`trino`]) rewrites what the planner has no word for; [`planner`] plans; [`meaning`] gives
//!    operators, casts and comparisons what they mean in that dialect.
//! 4. [`output`] brings the result's columns to types that a table has.
//! 5. [`run`] runs it on threads of its own ([`threads`]), within its memory and time ([`session`]), and writes.
//!
//! # Policy
//! - A function, a type or a meaning that the dialect does not have is refused, also where the engine underneath would know
//!   something like it: a statement tried here must mean the same on Spark and Trino.
//! - Time zone: UTC, for every statement. Spark's `TIMESTAMP` is a point in time; `TIMESTAMP_NTZ` and Trino's `TIMESTAMP`
//!   are not.
//! - What is wrong with a statement or its data is `invalid-input` for the field `sql`, with line and column where they are
//!   known ([`errors`]).

mod aggregates;
mod bare_values;
mod by_id;
pub(crate) mod calendar;
mod cast;
mod dialect;
mod errors;
mod explain;
mod files;
mod functions;
mod intervals;
mod lambdas;
mod lateral_aliases;
mod meaning;
mod memory;
mod multisets;
mod numbers;
mod output;
mod parquet;
mod planner;
mod precision;
mod prune;
mod references;
mod relations;
mod rewrite;
mod run;
mod scan;
mod scope;
mod script;
mod session;
mod spark;
mod sum;
#[cfg(test)]
mod tests;
mod text;
mod threads;
mod trino;
mod versions;
mod yielding;

use std::sync::Arc;

use asgard_contract::environment::Limits;
use asgard_contract::lakehouse::{Dialect, Output, QueryPlan, Statement, Written};
use asgard_contract::{Column, Progress, Result, TableName};
use asgard_threads::Standing;
use tokio::sync::watch;

use self::output::Naming;
pub use self::output::is_made_up;
use self::run::Engine;
pub(crate) use self::run::as_ipc;
use self::session::Sessions;
use crate::tables::{AsOf, Tables};

/// Judges a statement by its text alone, before any table is looked at: it parses in its dialect, and it only reads. Spark:
/// temporary views may come before the query; Trino: one query.
///
/// # Errors
/// `invalid-input` for `sql`, with line and column.
pub fn check_statement(dialect: Dialect, sql: &str) -> Result<()> {
    script::parse(dialect::of(dialect), sql).map(|_| ())
}

/// A statement whose rows are looked at.
#[derive(Debug, Clone)]
pub struct Query {
    pub statement: Statement,
    /// Of every table that the statement does not name a version of; none = as they are now.
    pub as_of: Option<AsOf>,
    /// Rows that are left out before the first.
    pub offset: u32,
    pub max_rows: u32,
    /// Shorter or smaller than the environment's limits; none = those.
    pub time: Option<std::time::Duration>,
    pub memory_bytes: Option<u64>,
}

/// What a [`Query`] came to.
#[derive(Debug, Clone)]
pub struct Answer {
    pub columns: Vec<Column>,
    /// An Arrow IPC stream.
    pub rows: Vec<u8>,
    /// Whether there are more rows than were asked for.
    pub more: bool,
    /// The tables that were read, those under views included, and the snapshot of each.
    pub snapshots: Vec<(TableName, Option<i64>)>,
}

/// The embedded SQL engine of one lakehouse.
#[derive(Debug, Clone)]
pub(crate) struct SqlEngine {
    engine: Arc<Engine>,
}

impl SqlEngine {
    pub(crate) fn new(tables: Tables, limits: &Limits) -> Result<Self> {
        let sessions = Sessions::new(limits, &tables.inner.stores)?;
        Ok(Self { engine: Arc::new(Engine { tables, sessions }) })
    }

    /// The columns of a statement's result and the tables it reads, those under views included. Nothing is run.
    pub(crate) async fn plan(&self, statement: &Statement) -> Result<QueryPlan> {
        let (engine, statement) = (Arc::clone(&self.engine), statement.clone());
        threads::run(Standing::Asked, async move {
            let prepared = engine.prepare(&statement, Naming::Optional).await?;
            Ok(QueryPlan { columns: prepared.columns, tables: prepared.tables })
        })
        .await
    }

    /// The plan of a statement and the tables it reads, as text. Nothing is run.
    pub(crate) async fn explain(&self, statement: &Statement) -> Result<String> {
        let (engine, statement) = (Arc::clone(&self.engine), statement.clone());
        threads::run(Standing::Asked, async move { Ok(engine.plan_text(&statement, None).await?.0) }).await
    }

    /// The first rows as an Arrow IPC stream.
    pub(crate) async fn query(&self, statement: &Statement, max_rows: u32) -> Result<Vec<u8>> {
        let (engine, statement) = (Arc::clone(&self.engine), statement.clone());
        threads::run(Standing::Asked, async move { engine.query(&statement, max_rows).await }).await
    }

    /// The first rows, for a person who asks, or the plan of a statement that begins with `EXPLAIN`; see [`Query`].
    pub(crate) async fn ask(&self, query: &Query) -> Result<Answer> {
        let (engine, query) = (Arc::clone(&self.engine), query.clone());
        threads::run(Standing::Asked, async move { engine.ask(&query).await }).await
    }

    /// Runs to the end and writes. Dropping the future ends the statement within a second and undoes what it wrote.
    pub(crate) async fn run(
        &self,
        key: &str,
        statement: Statement,
        output: Output,
        progress: watch::Sender<Progress>,
    ) -> Result<Written> {
        let (engine, key) = (Arc::clone(&self.engine), key.to_owned());
        threads::run(Standing::Behind, async move { engine.run(&key, &statement, output, &progress).await }).await
    }
}
