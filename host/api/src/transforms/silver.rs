//! `/spark/transform`: silver runs, started and listed. What one run tells is in [`super::silver_run`].

use std::collections::BTreeMap;

use asgard_contract::transform::{Compute, WriteMode as ContractMode};
use asgard_pipeline::Page;
use asgard_pipeline::transforms::{NewSilverRun, SilverRun};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::quality::{self, Check, DryRun, PlanAnswer};
use super::silver_run::{RunStatus, namespace, state_of};
use crate::App;
use crate::extract::{Body, Environment, Id, Params, limit, page};
use crate::platform::tasks::TaskState;
use crate::problem::{Problem, Result};

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WriteMode {
    #[default]
    Overwrite,
    Append,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct StartRun {
    /// Spark SQL, `;`-separated: temporary views, then one query. The input is the view `source_data`.
    #[schema(min_length = 1, example = "SELECT UPPER(TRIM(id)) AS id FROM source_data")]
    sql: String,
    /// `s3://…`, `s3a://…`, `file:///…` in a folder that the binding may read (`grants.files`), or a table's name (without a namespace: a
    /// bronze table).
    #[schema(example = "bronze.work_orders")]
    source_path: Option<String>,
    #[serde(default)]
    write_mode: WriteMode,
    #[serde(default = "one")]
    #[schema(default = 1, minimum = 1, maximum = 1000)]
    executor_instances: u32,
    #[serde(default = "one")]
    #[schema(default = 1, minimum = 1, maximum = 1000)]
    executor_cores: u32,
    #[serde(default = "half_a_gibibyte")]
    #[schema(default = "512m")]
    executor_memory: String,
    #[serde(default = "one")]
    #[schema(default = 1, minimum = 1, maximum = 1000)]
    driver_cores: u32,
    #[serde(default = "half_a_gibibyte")]
    #[schema(default = "512m")]
    driver_memory: String,
    /// Name of the silver table. Default: `run_{run_id}`.
    table: Option<String>,
    /// More views: name -> path or table.
    #[serde(default)]
    sources: BTreeMap<String, String>,
    /// What must be true of the table once it is written; the run fails when one finds rows.
    #[serde(default)]
    checks: Vec<Check>,
    /// Write to a branch of the catalog, run the checks there, and publish the table when they pass. For catalogs that have branches.
    #[serde(default)]
    #[schema(default = false)]
    audit: bool,
}

fn one() -> u32 {
    1
}

fn half_a_gibibyte() -> String {
    "512m".to_owned()
}

/// Cores and executors that a request may ask for; more is a slip of the keyboard.
const MOST: u32 = 1000;

impl StartRun {
    pub(crate) fn checked(self) -> Result<NewSilverRun> {
        for (field, value) in [
            ("executor_instances", self.executor_instances),
            ("executor_cores", self.executor_cores),
            ("driver_cores", self.driver_cores),
        ] {
            if !(1..=MOST).contains(&value) {
                return Err(Problem::field(field, format!("{value}: expected 1 to {MOST}")));
            }
        }
        Ok(NewSilverRun {
            sql: self.sql,
            source_path: self.source_path,
            sources: self.sources.into_iter().collect(),
            write_mode: match self.write_mode {
                WriteMode::Overwrite => ContractMode::Overwrite,
                WriteMode::Append => ContractMode::Append,
            },
            compute: Compute {
                executor_instances: self.executor_instances,
                executor_cores: self.executor_cores,
                executor_memory: self.executor_memory,
                driver_cores: self.driver_cores,
                driver_memory: self.driver_memory,
            },
            table: self.table,
            checks: quality::checks(self.checks)?,
            audit: self.audit,
        })
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunStarted {
    /// 8 hexadecimal digits.
    run_id: String,
    spark_application: String,
    /// `submitted`.
    status: &'static str,
    source: Option<String>,
    /// Where the table's files are.
    destination: String,
    sql: String,
    message: String,
    namespace: String,
    /// The silver table.
    table: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobsQuery {
    #[serde(default = "twenty")]
    #[param(minimum = 1, maximum = 1000, default = 20, required = false)]
    limit: u32,
    /// `SUBMITTED`, `RUNNING`, `COMPLETED`, `FAILED` or `CANCELLED`, in any case.
    #[param(required = false)]
    status_filter: Option<String>,
    #[serde(default = "first")]
    #[param(minimum = 1, maximum = 1_000_000, default = 1, required = false)]
    page: u64,
}

fn twenty() -> u32 {
    20
}

fn first() -> u64 {
    1
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedRun {
    run_id: String,
    spark_application: String,
    namespace: String,
    state: &'static str,
    source: Option<String>,
    destination: String,
    table: String,
    error_message: Option<String>,
    creation_time: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<SilverRun> for ListedRun {
    fn from(run: SilverRun) -> Self {
        Self {
            spark_application: application(&run.run_id),
            namespace: namespace(&run),
            state: state_of(run.task.status),
            source: run.source,
            destination: run.destination,
            table: run.request.target.to_string(),
            error_message: run.task.error.as_ref().map(ToString::to_string),
            creation_time: run.task.created_at,
            finished_at: run.task.finished_at,
            run_id: run.run_id,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunList {
    jobs: Vec<ListedRun>,
    total_count: u64,
    filter_applied: Option<String>,
}

pub(crate) fn application(run_id: &str) -> String {
    format!("sql-exec-{run_id}")
}

/// What a request for a run is answered with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum StartAnswer {
    Started(RunStarted),
    /// Of a dry run.
    Planned(PlanAnswer),
}

/// Start a silver run: Spark SQL over bronze tables, written to a silver table.
#[utoipa::path(post, path = "/spark/transform", tag = "Silver", params(DryRun), request_body = StartRun,
    responses((status = 200, body = StartAnswer)))]
pub(crate) async fn start(
    State(app): State<App>,
    Environment(active): Environment,
    Params(dry): Params<DryRun>,
    Body(body): Body<StartRun>,
) -> Result<Json<StartAnswer>> {
    let new = body.checked()?;
    if dry.dry_run {
        return Ok(Json(StartAnswer::Planned(app.pipeline.plan_silver(&active, new).await?.into())));
    }
    let run = app.pipeline.start_silver(&active, new).await?;
    Ok(Json(StartAnswer::Started(RunStarted {
        spark_application: application(&run.run_id),
        status: "submitted",
        message: format!("the run is submitted: follow it at /spark/transform/{}/status", run.run_id),
        namespace: namespace(&run),
        table: run.request.target.to_string(),
        source: run.source,
        destination: run.destination,
        sql: run.request.sql,
        run_id: run.run_id,
    })))
}

/// Silver runs, newest first.
#[utoipa::path(get, path = "/spark/transform/jobs", tag = "Silver", params(JobsQuery),
    responses((status = 200, body = RunList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Environment(active): Environment,
    Params(query): Params<JobsQuery>,
) -> Result<Json<RunList>> {
    let size = limit("limit", query.limit)?;
    let Page { offset, .. } = page(query.page, size)?;
    let status = match query.status_filter.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None => None,
        Some("SUBMITTED") => Some(TaskState::Pending),
        Some("RUNNING") => Some(TaskState::Running),
        Some("COMPLETED") => Some(TaskState::Succeeded),
        Some("FAILED") => Some(TaskState::Failed),
        Some("CANCELLED") => Some(TaskState::Cancelled),
        Some(other) => {
            return Err(Problem::field(
                "status_filter",
                format!("`{other}` is no state: expected SUBMITTED, RUNNING, COMPLETED, FAILED or CANCELLED"),
            ));
        }
    };
    let found = app.pipeline.silver_runs(&active, status.map(Into::into), Page { limit: size, offset }).await?;
    Ok(Json(RunList {
        jobs: found.items.into_iter().map(Into::into).collect(),
        total_count: found.total,
        filter_applied: query.status_filter,
    }))
}

/// Cancel a run. Nothing happens when it has ended.
#[utoipa::path(post, path = "/spark/transform/{run_id}/cancel", tag = "Silver", params(("run_id" = String, Path,)),
    responses((status = 200, body = RunStatus)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    Environment(active): Environment,
    Id(run_id): Id,
) -> Result<Json<RunStatus>> {
    Ok(Json(app.pipeline.cancel_silver(&active, &run_id).await?.into()))
}
