//! What is looked at before a transform is started: whether it can be audited, and what a dry run tells.

use std::sync::Arc;

use asgard_contract::lakehouse::{Dialect, Input as Read, Statement};
use asgard_contract::log::Discard;
use asgard_contract::manifest::Interface;
use asgard_contract::transform::{Input, QueryPlan, Request};
use asgard_contract::{Column, Error, Result, TableName};
use asgard_lakehouse::is_made_up;

use super::checks::Check;
use super::run::TransformTask;
use crate::environments::Active;
use crate::roles::Bound;
use crate::sql;

/// What a run would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Of the result.
    pub columns: Vec<Column>,
    /// That are read.
    pub tables: Vec<TableName>,
    /// What will be run, Jinja rendered.
    pub compiled_sql: String,
    pub target: TableName,
    /// How its engine would run it; none for one that does not tell.
    pub explained: Option<String>,
}

/// A request, with the plugin that will carry it out and what must be true of its result.
pub(super) struct Asked<T> {
    pub(super) bound: Bound,
    pub(super) what: T,
    pub(super) checks: Vec<Check>,
    pub(super) audit: bool,
}

impl<T> Asked<T> {
    /// The task, when the environment fits.
    ///
    /// # Errors
    /// `invalid-input` for an audit without branches.
    pub(super) async fn task(&self, active: &Active, request: Request) -> Result<TransformTask> {
        if self.audit {
            active.lakehouse.check_branches().await.map_err(|error| match error {
                Error::Unsupported { message } => Error::invalid("audit", message),
                other => other,
            })?;
            if !self.bound.follows_branches()? {
                return Err(Error::invalid("audit", self.bound_to_one_branch()));
            }
        }
        Ok(TransformTask { pin: self.bound.pin(), request, checks: self.checks.clone(), audit: self.audit })
    }

    /// Why the plugin cannot be sent to a branch, and what to do.
    fn bound_to_one_branch(&self) -> String {
        let name = self.bound.name();
        let why = format!("{name} reaches the catalog by an address of its own, so it cannot be sent to a branch");
        match self.bound.branch_field() {
            Some(field) => format!("{why}: add `{field}` to the configuration of its binding"),
            None => format!("{why}: bind one that uses the environment's lakehouse, or `${{lakehouse.catalog.uri}}`"),
        }
    }

    /// The plugin's plan of a request; none for a backend that finds out when it runs.
    ///
    /// # Errors
    /// `invalid-input` with the place in the statement.
    pub(super) async fn plan(&self, request: &Request, caller: &str) -> Result<Option<QueryPlan>> {
        let transform = self.bound.plugin.transform(self.bound.call(caller, Arc::new(Discard)).await?);
        match transform.plan(request).await {
            Ok(plan) => {
                let field = if matches!(request, Request::Gold(_)) { "sql_query" } else { "sql" };
                if matches!(request, Request::Gold(_)) {
                    sql::compiled(field, &plan.compiled_sql)?;
                }
                if let Some(index) = plan.columns.iter().position(|column| is_made_up(&column.name)) {
                    let message = format!("column {} has no name: add `AS name` to it", index + 1);
                    return Err(Error::invalid(field, message));
                }
                Ok(Some(plan))
            }
            Err(Error::Unsupported { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a dry run tells.
    ///
    /// # Errors
    /// `unsupported` for a backend that cannot plan without running.
    pub(super) async fn told(
        &self,
        active: &Active,
        request: &Request,
        caller: &str,
        plan: Option<QueryPlan>,
    ) -> Result<Plan> {
        let plan = plan.ok_or_else(|| {
            let name = self.bound.name();
            Error::unsupported(format!("{name} cannot plan without running: there is no dry run of it"))
        })?;
        let explained = self.explained(active, request, caller, &plan.compiled_sql).await?;
        let target = match request {
            Request::Silver(run) => &run.target,
            Request::Gold(model) => &model.target,
        };
        Ok(Plan {
            columns: plan.columns,
            tables: plan.tables,
            compiled_sql: plan.compiled_sql,
            target: target.clone(),
            explained,
        })
    }

    async fn explained(&self, active: &Active, request: &Request, caller: &str, sql: &str) -> Result<Option<String>> {
        let tells = self.bound.plugin.interfaces().contains(&Interface::Explain);
        let explained = if tells && matches!(request, Request::Gold(_)) {
            let call = self.bound.call(caller, Arc::new(Discard)).await?;
            self.bound.plugin.explain(call).explain(sql).await
        } else if self.bound.runs_here() {
            active.lakehouse.explain(&statement(request, sql)).await
        } else {
            return Ok(None);
        };
        match explained {
            Ok(text) => Ok(Some(text)),
            // The statement was planned, and that is told, also where an engine explains less than it runs.
            Err(Error::InvalidInput { .. } | Error::Unsupported { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The statement that a request comes to, for the host's own engine.
fn statement(request: &Request, compiled_sql: &str) -> Statement {
    let sql = compiled_sql.to_owned();
    match request {
        Request::Silver(run) => {
            let inputs = run.inputs.iter().map(|(view, input)| {
                let read = match input {
                    Input::Table(table) => Read::Table(table.clone()),
                    Input::Location(location) => Read::Location(location.clone()),
                };
                (view.clone(), read)
            });
            Statement { sql, dialect: Dialect::Spark, inputs: inputs.collect() }
        }
        Request::Gold(_) => Statement { sql, dialect: Dialect::Trino, inputs: Vec::new() },
    }
}
