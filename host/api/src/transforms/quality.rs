//! What both transforms have besides their SQL: checks, an audit, a dry run.

use asgard_pipeline::transforms::{Check as PipelineCheck, Checked, Plan, Verdict};
use asgard_tasks::Task;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{Problem, Result};

/// Checks of one request; more is a program's slip.
const MOST: usize = 200;

/// A query that selects the rows that are wrong: the check passes when it finds none.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Check {
    #[schema(min_length = 1, example = "no_negative_quantity")]
    name: String,
    /// In the dialect of the route.
    #[schema(min_length = 1, example = "SELECT * FROM silver.work_orders WHERE quantity < 0")]
    sql: String,
}

/// # Errors
/// 422 for more than anybody needs.
pub(crate) fn checks(checks: Vec<Check>) -> Result<Vec<PipelineCheck>> {
    if checks.len() > MOST {
        return Err(Problem::field("checks", format!("{}: expected {MOST} at most", checks.len())));
    }
    Ok(checks.into_iter().map(|check| PipelineCheck::new(check.name, check.sql)).collect())
}

/// How a test or a check ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckAnswer {
    /// `not_null_operator_id`, or the check's own.
    name: String,
    /// `pass`, `warn` or `fail`.
    status: &'static str,
    /// Rows that are wrong.
    failures: u64,
    /// The first of them.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Map<String, Value>>,
}

/// What a run's checks found; empty before they were run.
pub(crate) fn found(task: &Task) -> Vec<CheckAnswer> {
    let found =
        task.details.get("checks").cloned().and_then(|found| serde_json::from_value::<Vec<Checked>>(found).ok());
    let answer = |check: Checked| CheckAnswer {
        status: match check.verdict() {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        },
        name: check.name,
        failures: check.failures,
        rows: check.rows,
    };
    found.unwrap_or_default().into_iter().map(answer).collect()
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DryRun {
    /// Tell what would be done, and do nothing.
    #[serde(default)]
    #[param(default = false, required = false)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlannedColumn {
    name: String,
    /// As Iceberg writes it.
    #[serde(rename = "type")]
    data_type: String,
    nullable: bool,
}

/// What a run would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanAnswer {
    /// `planned`.
    status: &'static str,
    /// The table that would be written.
    target: String,
    columns: Vec<PlannedColumn>,
    /// Tables that would be read.
    tables: Vec<String>,
    /// What would be run, Jinja rendered.
    compiled_sql: String,
    /// How the engine would run it, as its `EXPLAIN` tells it; null for an engine that does not tell.
    plan: Option<String>,
}

impl From<Plan> for PlanAnswer {
    fn from(plan: Plan) -> Self {
        let column = |column: asgard_contract::Column| PlannedColumn {
            name: column.name,
            data_type: column.data_type,
            nullable: column.nullable,
        };
        Self {
            status: "planned",
            target: plan.target.to_string(),
            columns: plan.columns.into_iter().map(column).collect(),
            tables: plan.tables.iter().map(ToString::to_string).collect(),
            compiled_sql: plan.compiled_sql,
            plan: plan.explained,
        }
    }
}
