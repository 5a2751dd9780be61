//! `/ingestion`: which streams go where, and when.

use asgard_contract::connector as contract;
use asgard_pipeline::ingestion::{Ingestion, IngestionPatch, NewIngestion, StreamChoice};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::jobs::JobAnswer;
use super::schedule::Schedule;
use crate::App;
use crate::extract::{Body, Environment, Id, Paging, Params};
use crate::problem::Result;

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SyncMode {
    FullRefreshOverwrite,
    FullRefreshAppend,
    IncrementalAppend,
    IncrementalMerge,
    ChangeDataCapture,
}

impl From<SyncMode> for contract::SyncMode {
    fn from(mode: SyncMode) -> Self {
        match mode {
            SyncMode::FullRefreshOverwrite => Self::FullRefreshOverwrite,
            SyncMode::FullRefreshAppend => Self::FullRefreshAppend,
            SyncMode::IncrementalAppend => Self::IncrementalAppend,
            SyncMode::IncrementalMerge => Self::IncrementalMerge,
            SyncMode::ChangeDataCapture => Self::ChangeDataCapture,
        }
    }
}

impl From<contract::SyncMode> for SyncMode {
    fn from(mode: contract::SyncMode) -> Self {
        match mode {
            contract::SyncMode::FullRefreshOverwrite => Self::FullRefreshOverwrite,
            contract::SyncMode::FullRefreshAppend => Self::FullRefreshAppend,
            contract::SyncMode::IncrementalAppend => Self::IncrementalAppend,
            contract::SyncMode::IncrementalMerge => Self::IncrementalMerge,
            contract::SyncMode::ChangeDataCapture => Self::ChangeDataCapture,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Activity {
    #[default]
    Active,
    Inactive,
}

impl Activity {
    fn of(active: bool) -> Self {
        if active { Self::Active } else { Self::Inactive }
    }

    fn is_active(self) -> bool {
        matches!(self, Self::Active)
    }
}

/// A stream as an ingestion wants it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stream {
    /// Needed where two namespaces have a stream of this name.
    namespace: Option<String>,
    name: String,
    /// Default: `change_data_capture` for tables of a source that captures changes, else `full_refresh_overwrite`.
    sync_mode: Option<SyncMode>,
    cursor_field: Option<String>,
    #[serde(default)]
    primary_key: Vec<String>,
}

fn chosen(streams: Vec<Stream>) -> Vec<StreamChoice> {
    let choice = |stream: Stream| StreamChoice {
        namespace: stream.namespace,
        name: stream.name,
        sync_mode: stream.sync_mode.map(Into::into),
        cursor_field: stream.cursor_field,
        primary_key: stream.primary_key,
    };
    streams.into_iter().map(choice).collect()
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateIngestion {
    #[schema(min_length = 1, max_length = 200, example = "factory to lake")]
    name: String,
    source_id: String,
    destination_id: String,
    /// None or `manual`: one sync starts at once.
    schedule: Option<Schedule>,
    #[serde(default)]
    status: Activity,
    /// Put before each bronze table's name: lower-case letters, digits and `_`, a letter first.
    #[serde(default)]
    #[schema(pattern = "^([a-z][a-z0-9_]*)?$", example = "erp_")]
    prefix: String,
    /// None = all that can be synced.
    streams: Option<Vec<Stream>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PatchIngestion {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    schedule: Option<Schedule>,
    status: Option<Activity>,
    /// All that it is to have. Those that stay as they are go on; those that are new or synced otherwise begin anew; those that are
    /// left out keep their tables.
    streams: Option<Vec<Stream>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IngestionAnswer {
    connection_id: String,
    source_id: String,
    destination_id: String,
    name: String,
    status: Activity,
    schedule: Option<Schedule>,
    created: DateTime<Utc>,
    prefix: String,
    streams: Vec<Stream>,
}

impl From<Ingestion> for IngestionAnswer {
    fn from(ingestion: Ingestion) -> Self {
        Self {
            connection_id: ingestion.id,
            source_id: ingestion.source_id,
            destination_id: ingestion.sink_id,
            name: ingestion.name,
            status: Activity::of(ingestion.active),
            schedule: ingestion.schedule.map(Into::into),
            created: ingestion.created_at,
            prefix: ingestion.prefix,
            streams: ingestion
                .streams
                .into_iter()
                .map(|stream| Stream {
                    namespace: stream.namespace,
                    name: stream.name,
                    sync_mode: Some(stream.sync_mode.into()),
                    cursor_field: stream.cursor,
                    primary_key: stream.primary_key,
                })
                .collect(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IngestionList {
    ingestions: Vec<IngestionAnswer>,
    total: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IngestionStatus {
    ingestion_id: String,
    status: Activity,
    /// End of the last sync that succeeded.
    last_sync: Option<DateTime<Utc>>,
    next_sync: Option<DateTime<Utc>>,
    schedule: Option<Schedule>,
    /// The newest job.
    job: Option<JobAnswer>,
}

/// Make an ingestion. With a manual schedule, or none, its first sync starts at once.
#[utoipa::path(post, path = "/ingestion", tag = "Ingestion", request_body = CreateIngestion,
    responses((status = 201, body = IngestionAnswer)))]
pub(crate) async fn create(
    State(app): State<App>,
    Environment(active): Environment,
    Body(body): Body<CreateIngestion>,
) -> Result<(StatusCode, Json<IngestionAnswer>)> {
    let new = NewIngestion {
        name: body.name,
        source_id: body.source_id,
        sink_id: body.destination_id,
        schedule: body.schedule.map(Into::into),
        active: body.status.is_active(),
        prefix: body.prefix,
        streams: body.streams.map(chosen),
    };
    let ingestion = app.pipeline.create_ingestion(&active, new).await?;
    Ok((StatusCode::CREATED, Json(ingestion.into())))
}

/// All ingestions, newest first.
#[utoipa::path(get, path = "/ingestion", tag = "Ingestion", params(Paging), responses((status = 200, body = IngestionList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Environment(active): Environment,
    Params(paging): Params<Paging>,
) -> Result<Json<IngestionList>> {
    let found = app.pipeline.ingestions(&active, paging.page()?).await?;
    Ok(Json(IngestionList { ingestions: found.items.into_iter().map(Into::into).collect(), total: found.total }))
}

/// One ingestion.
#[utoipa::path(get, path = "/ingestion/{id}", tag = "Ingestion", params(("id" = String, Path,)),
    responses((status = 200, body = IngestionAnswer)))]
pub(crate) async fn get(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<IngestionAnswer>> {
    Ok(Json(app.pipeline.ingestion(&active, &id).await?.into()))
}

/// Where an ingestion stands, with its newest job.
#[utoipa::path(get, path = "/ingestion/{id}/status", tag = "Ingestion", params(("id" = String, Path,)),
    responses((status = 200, body = IngestionStatus)))]
pub(crate) async fn status(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<IngestionStatus>> {
    let ingestion = app.pipeline.ingestion(&active, &id).await?;
    Ok(Json(IngestionStatus {
        ingestion_id: ingestion.id,
        status: Activity::of(ingestion.active),
        last_sync: ingestion.last_sync,
        next_sync: ingestion.next_sync,
        schedule: ingestion.schedule.map(Into::into),
        job: ingestion.job.map(Into::into),
    }))
}

/// Change name, schedule, status or streams.
#[utoipa::path(patch, path = "/ingestion/{id}", tag = "Ingestion", params(("id" = String, Path,)),
    request_body = PatchIngestion, responses((status = 200, body = IngestionAnswer)))]
pub(crate) async fn patch(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
    Body(body): Body<PatchIngestion>,
) -> Result<Json<IngestionAnswer>> {
    let patch = IngestionPatch {
        name: body.name,
        schedule: body.schedule.map(Into::into),
        active: body.status.map(Activity::is_active),
        streams: body.streams.map(chosen),
    };
    Ok(Json(app.pipeline.update_ingestion(&active, &id, patch).await?.into()))
}

/// How an ingestion is removed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Removal {
    /// Although its backend cannot be reached. What that keeps for it, such as a replication slot, stays there.
    #[serde(default)]
    #[param(default = false, required = false)]
    force: bool,
}

/// Remove an ingestion. A running sync is cancelled; the tables stay.
#[utoipa::path(delete, path = "/ingestion/{id}", tag = "Ingestion", params(("id" = String, Path,), Removal),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
    Params(removal): Params<Removal>,
) -> Result<StatusCode> {
    app.pipeline.delete_ingestion(&active, &id, removal.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget all checkpoints: the next sync starts from the beginning.
#[utoipa::path(post, path = "/ingestion/{id}/reset", tag = "Ingestion", params(("id" = String, Path,)),
    responses((status = 200, body = IngestionAnswer)))]
pub(crate) async fn reset(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<IngestionAnswer>> {
    Ok(Json(app.pipeline.reset_ingestion(&active, &id).await?.into()))
}
