//! `/datasource`: sources, tested before they are stored.

use asgard_contract::connector::{StreamDescriptor, SyncMode as Mode};
use asgard_pipeline::ingestion::{NewSource, Source, SourcePatch};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::ingestions::SyncMode;
use super::{Checked, Config};
use crate::App;
use crate::extract::{Body, Environment, Id, Paging, Params};
use crate::problem::Result;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateSource {
    #[schema(min_length = 1, max_length = 200, example = "factory")]
    name: String,
    /// `postgres`, or any type that a connector of the environment declares.
    #[schema(example = "postgres")]
    r#type: String,
    /// As the type's schema says. Secrets come back masked.
    #[schema(value_type = Object, example = json!({"host": "localhost", "database": "factory", "username": "app", "password": "…"}))]
    config: Config,
    workspace: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchSource {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Merged over the present configuration (RFC 7386); a secret sent back masked keeps its value.
    #[schema(value_type = Option<Object>)]
    config: Option<Config>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceAnswer {
    id: String,
    name: String,
    r#type: String,
    #[schema(value_type = Object)]
    config: Value,
    workspace: String,
    created_at: chrono::DateTime<chrono::Utc>,
    updated_at: chrono::DateTime<chrono::Utc>,
}

impl From<Source> for SourceAnswer {
    fn from(source: Source) -> Self {
        Self {
            id: source.id,
            name: source.name,
            r#type: source.source_type,
            config: source.config,
            workspace: source.workspace,
            created_at: source.created_at,
            updated_at: source.updated_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedSource {
    source_id: String,
    name: String,
    /// The source's type.
    source_name: String,
    workspace_id: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceList {
    sources: Vec<ListedSource>,
    total: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamAnswer {
    namespace: Option<String>,
    name: String,
    columns: Vec<ColumnAnswer>,
    primary_key: Vec<String>,
    sync_modes: Vec<SyncMode>,
    cursor_fields: Vec<String>,
    estimated_rows: Option<u64>,
    /// Why it cannot be synced, if it cannot.
    unsupported: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ColumnAnswer {
    pub(crate) name: String,
    /// As Iceberg writes it: `long`, `decimal(10,2)`, `list<string>`.
    pub(crate) r#type: String,
    pub(crate) nullable: bool,
}

impl From<asgard_contract::Column> for ColumnAnswer {
    fn from(column: asgard_contract::Column) -> Self {
        Self { name: column.name, r#type: column.data_type, nullable: column.nullable }
    }
}

impl From<StreamDescriptor> for StreamAnswer {
    fn from(stream: StreamDescriptor) -> Self {
        Self {
            namespace: stream.namespace,
            name: stream.name,
            columns: stream.columns.into_iter().map(Into::into).collect(),
            primary_key: stream.primary_key,
            sync_modes: stream.sync_modes.into_iter().map(|mode: Mode| mode.into()).collect(),
            cursor_fields: stream.cursor_columns,
            estimated_rows: stream.estimated_rows,
            unsupported: stream.unsupported,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StreamList {
    streams: Vec<StreamAnswer>,
    total: u64,
}

/// Make a source. The connection is tested first.
#[utoipa::path(post, path = "/datasource", tag = "Ingestion", request_body = CreateSource,
    responses((status = 201, body = SourceAnswer)))]
pub(crate) async fn create(
    State(app): State<App>,
    Environment(active): Environment,
    Body(body): Body<CreateSource>,
) -> Result<(StatusCode, Json<SourceAnswer>)> {
    let new = NewSource {
        name: body.name,
        source_type: body.r#type,
        config: Value::Object(body.config),
        workspace: body.workspace,
    };
    let source = app.pipeline.create_source(&active, new).await?;
    Ok((StatusCode::CREATED, Json(source.into())))
}

/// All sources, newest first.
#[utoipa::path(get, path = "/datasource", tag = "Ingestion", params(Paging), responses((status = 200, body = SourceList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Environment(active): Environment,
    Params(paging): Params<Paging>,
) -> Result<Json<SourceList>> {
    let found = app.pipeline.sources(&active, paging.page()?).await?;
    let sources = found.items.into_iter().map(|source| ListedSource {
        source_id: source.id,
        name: source.name,
        source_name: source.source_type,
        workspace_id: source.workspace,
    });
    Ok(Json(SourceList { sources: sources.collect(), total: found.total }))
}

/// One source.
#[utoipa::path(get, path = "/datasource/{id}", tag = "Ingestion", params(("id" = String, Path,)),
    responses((status = 200, body = SourceAnswer)))]
pub(crate) async fn get(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<SourceAnswer>> {
    Ok(Json(app.pipeline.source(&active, &id).await?.into()))
}

/// Change name or configuration. The new configuration is tested first.
#[utoipa::path(patch, path = "/datasource/{id}", tag = "Ingestion", params(("id" = String, Path,)),
    request_body = PatchSource, responses((status = 200, body = SourceAnswer)))]
pub(crate) async fn patch(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
    Body(body): Body<PatchSource>,
) -> Result<Json<SourceAnswer>> {
    let patch = SourcePatch { name: body.name, config: body.config.map(Value::Object) };
    Ok(Json(app.pipeline.update_source(&active, &id, patch).await?.into()))
}

/// Remove a source. 409 while an ingestion uses it.
#[utoipa::path(delete, path = "/datasource/{id}", tag = "Ingestion", params(("id" = String, Path,)),
    responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, Environment(active): Environment, Id(id): Id) -> Result<StatusCode> {
    app.pipeline.delete_source(&active, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The streams that the source has now, those that cannot be synced too.
#[utoipa::path(get, path = "/datasource/{id}/streams", tag = "Ingestion", params(("id" = String, Path,)),
    responses((status = 200, body = StreamList)))]
pub(crate) async fn streams(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<StreamList>> {
    let streams: Vec<StreamAnswer> = app.pipeline.discover(&active, &id).await?.into_iter().map(Into::into).collect();
    Ok(Json(StreamList { total: streams.len() as u64, streams }))
}

/// Reach the source now.
#[utoipa::path(post, path = "/datasource/{id}/check", tag = "Ingestion", params(("id" = String, Path,)),
    responses((status = 200, body = Checked)))]
pub(crate) async fn check(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<Checked>> {
    app.pipeline.check_source(&active, &id).await?;
    Ok(Json(Checked::SUCCEEDED))
}
