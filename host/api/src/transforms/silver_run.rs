//! `/spark/transform/{run_id}/…`: what one silver run tells: status, logs, events, metrics.

use asgard_contract::transform::Compute;
use asgard_pipeline::transforms::SilverRun;
use asgard_tasks::TaskStatus;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::quality::{self, CheckAnswer};
use super::silver::application;
use crate::App;
use crate::extract::{Environment, Id};
use crate::platform::tasks::EventAnswer;
use crate::problem::Result;

/// The state as the Spark operator writes it.
pub(crate) fn state_of(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Pending => "SUBMITTED",
        TaskStatus::Running => "RUNNING",
        TaskStatus::Succeeded => "COMPLETED",
        TaskStatus::Failed => "FAILED",
        TaskStatus::Cancelled => "CANCELLED",
    }
}

/// The backend's namespace where it has them, else the environment's name.
pub(crate) fn namespace(run: &SilverRun) -> String {
    text(&run.task.details, "namespace").unwrap_or_else(|| run.task.environment.clone())
}

fn text(details: &Value, field: &str) -> Option<String> {
    details.get(field).and_then(Value::as_str).map(str::to_owned)
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunStatus {
    run_id: String,
    spark_application: String,
    namespace: String,
    /// `SUBMITTED`, `RUNNING`, `COMPLETED`, `FAILED` or `CANCELLED`.
    state: &'static str,
    error_message: Option<String>,
    /// None on a backend without pods.
    driver_pod: Option<String>,
    executor_count: u64,
    creation_time: DateTime<Utc>,
    spark_version: Option<String>,
    image: Option<String>,
    /// The backend's own words.
    #[schema(value_type = Object)]
    full_status: Value,
    /// How the request's checks ended.
    checks: Vec<CheckAnswer>,
}

impl From<SilverRun> for RunStatus {
    fn from(run: SilverRun) -> Self {
        let details = &run.task.details;
        let full_status = details.get("full_status").filter(|value| value.is_object()).cloned();
        Self {
            spark_application: application(&run.run_id),
            namespace: namespace(&run),
            state: state_of(run.task.status),
            error_message: run.task.error.as_ref().map(ToString::to_string),
            driver_pod: text(details, "driver_pod"),
            executor_count: details.get("executor_count").and_then(Value::as_u64).unwrap_or_default(),
            creation_time: run.task.created_at,
            spark_version: text(details, "spark_version"),
            image: text(details, "image"),
            full_status: full_status.unwrap_or_else(|| serde_json::json!({})),
            checks: quality::found(&run.task),
            run_id: run.run_id,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunLogs {
    run_id: String,
    driver_pod: Option<String>,
    /// Lines of time, level and message.
    logs: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunEvents {
    run_id: String,
    events: Vec<EventAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timing {
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    /// From start to end, or until now.
    duration_seconds: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DriverSpec {
    cores: u32,
    memory: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExecutorSpec {
    instances: u32,
    cores: u32,
    memory: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResourceSpecs {
    driver: DriverSpec,
    executor: ExecutorSpec,
}

impl From<Compute> for ResourceSpecs {
    fn from(compute: Compute) -> Self {
        Self {
            driver: DriverSpec { cores: compute.driver_cores, memory: compute.driver_memory },
            executor: ExecutorSpec {
                instances: compute.executor_instances,
                cores: compute.executor_cores,
                memory: compute.executor_memory,
            },
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SparkInformation {
    application: String,
    version: Option<String>,
    image: Option<String>,
    /// The plugin that ran it: name, version, digest.
    plugin: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UiAccess {
    available: bool,
    url: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunMetrics {
    run_id: String,
    timing: Timing,
    resource_specs: ResourceSpecs,
    spark_info: SparkInformation,
    ui_access: UiAccess,
    rows_read: Option<u64>,
    rows_written: Option<u64>,
    bytes_read: Option<u64>,
    bytes_written: Option<u64>,
    /// Of the table after the run.
    total_rows: Option<u64>,
}

/// Where a run stands.
#[utoipa::path(get, path = "/spark/transform/{run_id}/status", tag = "Silver", params(("run_id" = String, Path,)),
    responses((status = 200, body = RunStatus)))]
pub(crate) async fn status(
    State(app): State<App>,
    Environment(active): Environment,
    Id(run_id): Id,
) -> Result<Json<RunStatus>> {
    Ok(Json(app.pipeline.silver_run(&active, &run_id).await?.into()))
}

/// The log of a run.
#[utoipa::path(get, path = "/spark/transform/{run_id}/logs", tag = "Silver", params(("run_id" = String, Path,)),
    responses((status = 200, body = RunLogs)))]
pub(crate) async fn logs(
    State(app): State<App>,
    Environment(active): Environment,
    Id(run_id): Id,
) -> Result<Json<RunLogs>> {
    let run = app.pipeline.silver_run(&active, &run_id).await?;
    let logs = crate::platform::tasks::whole_log(&app, &run.task.id).await?;
    Ok(Json(RunLogs { run_id, driver_pod: text(&run.task.details, "driver_pod"), logs }))
}

/// The events of a run, oldest first.
#[utoipa::path(get, path = "/spark/transform/{run_id}/events", tag = "Silver", params(("run_id" = String, Path,)),
    responses((status = 200, body = RunEvents)))]
pub(crate) async fn events(
    State(app): State<App>,
    Environment(active): Environment,
    Id(run_id): Id,
) -> Result<Json<RunEvents>> {
    let run = app.pipeline.silver_run(&active, &run_id).await?;
    let events = crate::platform::tasks::events_of(&app, &run.task.id).await?;
    Ok(Json(RunEvents { run_id, events }))
}

/// Times, resources, rows and bytes of a run.
#[utoipa::path(get, path = "/spark/transform/{run_id}/metrics", tag = "Silver", params(("run_id" = String, Path,)),
    responses((status = 200, body = RunMetrics)))]
pub(crate) async fn metrics(
    State(app): State<App>,
    Environment(active): Environment,
    Id(run_id): Id,
) -> Result<Json<RunMetrics>> {
    let run = app.pipeline.silver_run(&active, &run_id).await?;
    let task = &run.task;
    let duration = task.started_at.map(|start| {
        let end = task.finished_at.unwrap_or_else(Utc::now);
        (end - start).num_milliseconds().max(0) as f64 / 1000.0
    });
    let url = text(&task.details, "ui");
    Ok(Json(RunMetrics {
        timing: Timing {
            created_at: task.created_at,
            started_at: task.started_at,
            finished_at: task.finished_at,
            duration_seconds: duration,
        },
        resource_specs: run.request.compute.clone().into(),
        spark_info: SparkInformation {
            application: application(&run.run_id),
            version: text(&task.details, "spark_version"),
            image: text(&task.details, "image"),
            plugin: task.plugin.clone(),
        },
        ui_access: UiAccess { available: url.is_some(), url },
        rows_read: run.outcome.as_ref().map(|outcome| outcome.rows_read),
        rows_written: run.outcome.as_ref().map(|outcome| outcome.rows_written),
        bytes_read: run.outcome.as_ref().map(|outcome| outcome.bytes_read),
        bytes_written: run.outcome.as_ref().map(|outcome| outcome.bytes_written),
        total_rows: run.outcome.as_ref().map(|outcome| outcome.total_rows),
        run_id,
    }))
}
