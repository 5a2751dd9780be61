//! `/pipelines/{name}/runs`: started, looked at, cancelled, repeated.

use std::collections::BTreeMap;

use asgard_pipeline::pipelines::{NewRun, Run, StepState, StepStatus as DomainStatus};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Body, Environment, Id, Ids, Paging, Params};
use crate::platform::tasks::TaskState;
use crate::problem::Result;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartPipelineRun {
    /// What `${date}` stands for. None: the day on which the run begins, in UTC.
    date: Option<NaiveDate>,
    /// In the place of the pipeline's own of the same names.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PipelineBackfill {
    /// The first date,
    from: NaiveDate,
    /// and the last one; 1000 dates at most.
    until: NaiveDate,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PipelineStepStatus {
    Pending,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// Something that it needs did not succeed.
    Skipped,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineRunStep {
    status: PipelineStepStatus,
    /// `GET /tasks/{id}`.
    task: Option<String>,
    /// What the task is about, for the routes of its kind: a run's, an ingestion's, a deployment's id.
    subject: Option<String>,
    /// Plugin and digest.
    plugin: Option<String>,
    #[schema(value_type = Object, nullable)]
    outcome: Value,
    error: Option<String>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<StepState> for PipelineRunStep {
    fn from(step: StepState) -> Self {
        Self {
            status: match step.status {
                DomainStatus::Pending => PipelineStepStatus::Pending,
                DomainStatus::Running => PipelineStepStatus::Running,
                DomainStatus::Succeeded => PipelineStepStatus::Succeeded,
                DomainStatus::Failed => PipelineStepStatus::Failed,
                DomainStatus::Cancelled => PipelineStepStatus::Cancelled,
                DomainStatus::Skipped => PipelineStepStatus::Skipped,
            },
            task: step.task,
            subject: step.subject,
            plugin: step.plugin,
            outcome: step.outcome,
            error: step.error,
            started_at: step.started_at,
            finished_at: step.finished_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineRunAnswer {
    /// The run's task has the same id: `GET /tasks/{id}/logs`.
    id: String,
    status: TaskState,
    date: Option<NaiveDate>,
    parameters: BTreeMap<String, String>,
    /// By the steps' ids; empty before the run begins.
    steps: BTreeMap<String, PipelineRunStep>,
    /// The run that this one repeats.
    repeats: Option<String>,
    message: Option<String>,
    error: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<Run> for PipelineRunAnswer {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            status: run.status.into(),
            date: run.date,
            parameters: run.parameters,
            steps: run.state.steps.into_iter().map(|(id, step)| (id, step.into())).collect(),
            repeats: run.repeats,
            message: run.message,
            error: run.error,
            created_at: run.created_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineRunList {
    runs: Vec<PipelineRunAnswer>,
    total: u64,
}

/// Run a pipeline. Runs of one pipeline go one after the other.
#[utoipa::path(post, path = "/pipelines/{name}/runs", tag = "Pipelines", params(("name" = String, Path,)),
    request_body = StartPipelineRun, responses((status = 202, body = PipelineRunAnswer)))]
pub(crate) async fn start(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
    Body(body): Body<StartPipelineRun>,
) -> Result<(StatusCode, Json<PipelineRunAnswer>)> {
    let new = NewRun { date: body.date, parameters: body.parameters };
    Ok((StatusCode::ACCEPTED, Json(app.pipeline.start_pipeline_run(&active, &name, new).await?.into())))
}

/// Run a pipeline for each date of a range, in their order.
#[utoipa::path(post, path = "/pipelines/{name}/backfill", tag = "Pipelines", params(("name" = String, Path,)),
    request_body = PipelineBackfill, responses((status = 202, body = PipelineRunList)))]
pub(crate) async fn backfill(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
    Body(body): Body<PipelineBackfill>,
) -> Result<(StatusCode, Json<PipelineRunList>)> {
    let runs = app.pipeline.backfill_pipeline(&active, &name, (body.from, body.until), &body.parameters).await?;
    let total = runs.len() as u64;
    Ok((StatusCode::ACCEPTED, Json(PipelineRunList { runs: runs.into_iter().map(Into::into).collect(), total })))
}

/// A pipeline's runs, newest first.
#[utoipa::path(get, path = "/pipelines/{name}/runs", tag = "Pipelines", params(("name" = String, Path,), Paging),
    responses((status = 200, body = PipelineRunList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
    Params(paging): Params<Paging>,
) -> Result<Json<PipelineRunList>> {
    let found = app.pipeline.pipeline_runs(&active, &name, paging.page()?).await?;
    Ok(Json(PipelineRunList { runs: found.items.into_iter().map(Into::into).collect(), total: found.total }))
}

/// One run with its steps.
#[utoipa::path(get, path = "/pipelines/{name}/runs/{run}", tag = "Pipelines",
    params(("name" = String, Path,), ("run" = String, Path,)), responses((status = 200, body = PipelineRunAnswer)))]
pub(crate) async fn get(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(name, run): Ids,
) -> Result<Json<PipelineRunAnswer>> {
    Ok(Json(app.pipeline.pipeline_run(&active, &name, &run).await?.into()))
}

/// Cancel a run and its steps that are under way.
#[utoipa::path(post, path = "/pipelines/{name}/runs/{run}/cancel", tag = "Pipelines",
    params(("name" = String, Path,), ("run" = String, Path,)), responses((status = 200, body = PipelineRunAnswer)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(name, run): Ids,
) -> Result<Json<PipelineRunAnswer>> {
    Ok(Json(app.pipeline.cancel_pipeline_run(&active, &name, &run).await?.into()))
}

/// Run again what did not succeed in a run, and what was changed since. What succeeded is not repeated.
#[utoipa::path(post, path = "/pipelines/{name}/runs/{run}/rerun", tag = "Pipelines",
    params(("name" = String, Path,), ("run" = String, Path,)), responses((status = 202, body = PipelineRunAnswer)))]
pub(crate) async fn rerun(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(name, run): Ids,
) -> Result<(StatusCode, Json<PipelineRunAnswer>)> {
    Ok((StatusCode::ACCEPTED, Json(app.pipeline.rerun_pipeline(&active, &name, &run).await?.into())))
}
