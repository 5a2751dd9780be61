//! `/sink`: where an ingestion's tables are kept, tested before it is stored.

use asgard_pipeline::ingestion::{NewSink, Sink, SinkPatch};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Config;
use crate::App;
use crate::extract::{Body, Environment, Id, Paging, Params};
use crate::problem::Result;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateSink {
    #[schema(min_length = 1, max_length = 200, example = "lake")]
    name: String,
    /// `s3` or `local`.
    #[schema(example = "local")]
    r#type: String,
    /// For `local`: `path`. For `s3`: `s3_bucket_name`, `s3_bucket_region`, `access_key_id`, `secret_access_key`,
    /// `s3_bucket_path`, `format?`, `s3_endpoint?`.
    #[schema(value_type = Object, example = json!({"path": "lake"}))]
    config: Config,
    workspace: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchSink {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Merged over the present configuration (RFC 7386); a secret sent back masked keeps its value.
    #[schema(value_type = Option<Object>)]
    config: Option<Config>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SinkAnswer {
    id: String,
    name: String,
    r#type: String,
    #[schema(value_type = Object)]
    config: Value,
    workspace: String,
    created_at: chrono::DateTime<chrono::Utc>,
    updated_at: chrono::DateTime<chrono::Utc>,
}

impl From<Sink> for SinkAnswer {
    fn from(sink: Sink) -> Self {
        Self {
            id: sink.id,
            name: sink.name,
            r#type: sink.sink_type,
            config: sink.config,
            workspace: sink.workspace,
            created_at: sink.created_at,
            updated_at: sink.updated_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedSink {
    destination_id: String,
    name: String,
    /// The sink's type.
    destination_name: String,
    workspace_id: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SinkList {
    destinations: Vec<ListedSink>,
    total: u64,
}

/// Make a sink. The target is tested first: write, read back, delete.
#[utoipa::path(post, path = "/sink", tag = "Ingestion", request_body = CreateSink,
    responses((status = 201, body = SinkAnswer)))]
pub(crate) async fn create(
    State(app): State<App>,
    Environment(active): Environment,
    Body(body): Body<CreateSink>,
) -> Result<(StatusCode, Json<SinkAnswer>)> {
    let new = NewSink {
        name: body.name,
        sink_type: body.r#type,
        config: Value::Object(body.config),
        workspace: body.workspace,
    };
    let sink = app.pipeline.create_sink(&active, new).await?;
    Ok((StatusCode::CREATED, Json(sink.into())))
}

/// All sinks, newest first.
#[utoipa::path(get, path = "/sink", tag = "Ingestion", params(Paging), responses((status = 200, body = SinkList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Environment(active): Environment,
    Params(paging): Params<Paging>,
) -> Result<Json<SinkList>> {
    let found = app.pipeline.sinks(&active, paging.page()?).await?;
    let destinations = found.items.into_iter().map(|sink| ListedSink {
        destination_id: sink.id,
        name: sink.name,
        destination_name: sink.sink_type,
        workspace_id: sink.workspace,
    });
    Ok(Json(SinkList { destinations: destinations.collect(), total: found.total }))
}

/// One sink.
#[utoipa::path(get, path = "/sink/{id}", tag = "Ingestion", params(("id" = String, Path,)),
    responses((status = 200, body = SinkAnswer)))]
pub(crate) async fn get(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<SinkAnswer>> {
    Ok(Json(app.pipeline.sink(&active, &id).await?.into()))
}

/// Change name or configuration. The new target is tested first.
#[utoipa::path(patch, path = "/sink/{id}", tag = "Ingestion", params(("id" = String, Path,)),
    request_body = PatchSink, responses((status = 200, body = SinkAnswer)))]
pub(crate) async fn patch(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
    Body(body): Body<PatchSink>,
) -> Result<Json<SinkAnswer>> {
    let patch = SinkPatch { name: body.name, config: body.config.map(Value::Object) };
    Ok(Json(app.pipeline.update_sink(&active, &id, patch).await?.into()))
}

/// Remove a sink. Its tables stay; 409 while an ingestion uses it.
#[utoipa::path(delete, path = "/sink/{id}", tag = "Ingestion", params(("id" = String, Path,)),
    responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, Environment(active): Environment, Id(id): Id) -> Result<StatusCode> {
    app.pipeline.delete_sink(&active, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
