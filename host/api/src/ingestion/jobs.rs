//! Jobs: the syncs of an ingestion.

use asgard_pipeline::ingestion::{Job, StreamResult};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Environment, Id, Ids, Paging, Params};
use crate::platform::tasks::{LogPage, LogQuery, TaskState};
use crate::problem::Result;

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobAnswer {
    id: String,
    status: TaskState,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    records_copied: u64,
    bytes_copied: u64,
    streams: Vec<JobStream>,
    error: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobStream {
    /// `namespace.name`, as the source has it.
    name: String,
    records: u64,
    bytes: u64,
    /// `pending`, `running`, `succeeded` or `failed`.
    status: String,
    error: Option<String>,
}

impl From<StreamResult> for JobStream {
    fn from(stream: StreamResult) -> Self {
        Self {
            name: stream.name,
            records: stream.records,
            bytes: stream.bytes,
            status: stream.status,
            error: stream.error,
        }
    }
}

impl From<Job> for JobAnswer {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            status: job.status.into(),
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            records_copied: job.records_copied,
            bytes_copied: job.bytes_copied,
            streams: job.streams.into_iter().map(Into::into).collect(),
            error: job.error,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobList {
    jobs: Vec<JobAnswer>,
    total: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cancelled {
    /// The sync that was running; none when there was none.
    job: Option<JobAnswer>,
}

/// Start a sync, or answer with the one that is running.
#[utoipa::path(post, path = "/ingestion/{id}/sync", tag = "Ingestion", params(("id" = String, Path,)),
    responses((status = 200, body = JobAnswer)))]
pub(crate) async fn start(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<JobAnswer>> {
    Ok(Json(app.pipeline.start_sync(&active, &id).await?.into()))
}

/// Cancel the running sync. What it committed stays.
#[utoipa::path(post, path = "/ingestion/{id}/cancel", tag = "Ingestion", params(("id" = String, Path,)),
    responses((status = 200, body = Cancelled)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<Cancelled>> {
    Ok(Json(Cancelled { job: app.pipeline.cancel_sync(&active, &id).await?.map(Into::into) }))
}

/// The jobs of an ingestion, newest first.
#[utoipa::path(get, path = "/ingestion/{id}/jobs", tag = "Ingestion", params(("id" = String, Path,), Paging),
    responses((status = 200, body = JobList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
    Params(paging): Params<Paging>,
) -> Result<Json<JobList>> {
    let found = app.pipeline.jobs(&active, &id, paging.page()?).await?;
    Ok(Json(JobList { jobs: found.items.into_iter().map(Into::into).collect(), total: found.total }))
}

/// The log of a job, oldest line first.
#[utoipa::path(get, path = "/ingestion/{id}/jobs/{job}/logs", tag = "Ingestion",
    params(("id" = String, Path,), ("job" = String, Path,), LogQuery), responses((status = 200, body = LogPage)))]
pub(crate) async fn logs(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(id, job): Ids,
    Params(query): Params<LogQuery>,
) -> Result<Json<LogPage>> {
    let task = app.pipeline.job_task(&active, &id, &job).await?;
    Ok(Json(query.read(&app, &task.id).await?))
}
