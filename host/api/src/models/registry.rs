//! `/mlops/models` and `/mlops/status`: registered models, and whether tracker and feature store answer.

use std::collections::BTreeMap;

use asgard_contract::deployer::{Model, ModelVersion};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Environment, Id};
use crate::problem::Result;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionAnswer {
    name: String,
    version: String,
    /// `None`, `Staging`, `Production` or `Archived`.
    stage: String,
    run_id: Option<String>,
    description: Option<String>,
    tags: BTreeMap<String, String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelAnswer {
    name: String,
    description: Option<String>,
    tags: BTreeMap<String, String>,
    latest_versions: Vec<VersionAnswer>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A tracker that tells nonsense is shown at the beginning of time, not refused.
fn time(milliseconds: u64) -> DateTime<Utc> {
    i64::try_from(milliseconds).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default()
}

impl From<ModelVersion> for VersionAnswer {
    fn from(version: ModelVersion) -> Self {
        Self {
            name: version.name,
            version: version.version,
            stage: version.stage,
            run_id: version.run_id,
            description: version.description,
            tags: version.tags.into_iter().collect(),
            created_at: time(version.created_ms),
            updated_at: time(version.updated_ms),
        }
    }
}

impl From<Model> for ModelAnswer {
    fn from(model: Model) -> Self {
        Self {
            name: model.name,
            description: model.description,
            tags: model.tags.into_iter().collect(),
            latest_versions: model.latest_versions.into_iter().map(Into::into).collect(),
            created_at: time(model.created_ms),
            updated_at: time(model.updated_ms),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelsStatus {
    mlflow_tracking_uri: Option<String>,
    mlflow_available: bool,
    feast_store_available: bool,
    registered_models: u64,
    active_experiments: u64,
    feature_views: u64,
    timestamp: DateTime<Utc>,
    /// Why the tracker is not available, if it is not.
    message: Option<String>,
}

/// Registered models, newest first.
#[utoipa::path(get, path = "/mlops/models", tag = "Models", responses((status = 200, body = Vec<ModelAnswer>)))]
pub(crate) async fn list(State(app): State<App>, Environment(active): Environment) -> Result<Json<Vec<ModelAnswer>>> {
    Ok(Json(app.pipeline.models(&active).await?.into_iter().map(Into::into).collect()))
}

/// One registered model.
#[utoipa::path(get, path = "/mlops/models/{name}", tag = "Models", params(("name" = String, Path,)),
    responses((status = 200, body = ModelAnswer)))]
pub(crate) async fn get(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
) -> Result<Json<ModelAnswer>> {
    Ok(Json(app.pipeline.model(&active, &name).await?.into()))
}

/// Whether tracker and feature store answer, and what they hold.
#[utoipa::path(get, path = "/mlops/status", tag = "Models", responses((status = 200, body = ModelsStatus)))]
pub(crate) async fn status(State(app): State<App>, Environment(active): Environment) -> Result<Json<ModelsStatus>> {
    let status = app.pipeline.model_status(&active).await?;
    Ok(Json(ModelsStatus {
        mlflow_available: status.registry.is_some(),
        feast_store_available: status.feature_views.is_some(),
        registered_models: status.registry.as_ref().map_or(0, |registry| registry.registered_models),
        active_experiments: status.registry.as_ref().map_or(0, |registry| registry.active_experiments),
        feature_views: status.feature_views.unwrap_or_default(),
        mlflow_tracking_uri: status.registry.map(|registry| registry.tracking_uri),
        timestamp: Utc::now(),
        message: status.unavailable,
    }))
}
