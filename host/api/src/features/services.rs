//! `/feast/features/service` and `/feast/services`: named sets of feature views.

use asgard_contract::features::FeatureService;
use asgard_pipeline::features::{NewService, ServiceRecord};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Tags;
use crate::App;
use crate::extract::{Body, Environment, Id};
use crate::problem::Result;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateService {
    #[schema(example = "operator_service")]
    name: String,
    feature_views: Vec<String>,
    description: Option<String>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceAnswer {
    name: String,
    feature_views: Vec<String>,
    description: Option<String>,
    tags: Tags,
    created_at: DateTime<Utc>,
}

impl From<ServiceRecord> for ServiceAnswer {
    fn from(record: ServiceRecord) -> Self {
        Self {
            name: record.service.name,
            feature_views: record.service.views,
            description: record.service.description,
            tags: record.service.tags.into_iter().collect(),
            created_at: record.created_at,
        }
    }
}

/// Register a feature service over views that exist.
#[utoipa::path(post, path = "/feast/features/service", tag = "Features", request_body = CreateService,
    responses((status = 201, body = ServiceAnswer)))]
pub(crate) async fn create(
    State(app): State<App>,
    Environment(active): Environment,
    Body(body): Body<CreateService>,
) -> Result<(StatusCode, Json<ServiceAnswer>)> {
    let service = FeatureService {
        name: body.name,
        views: body.feature_views,
        description: body.description,
        tags: body.tags.into_iter().collect(),
    };
    let record = app.pipeline.register_service(&active, NewService { service }).await?;
    Ok((StatusCode::CREATED, Json(record.into())))
}

/// All feature services, newest first.
#[utoipa::path(get, path = "/feast/services", tag = "Features", responses((status = 200, body = Vec<ServiceAnswer>)))]
pub(crate) async fn list(State(app): State<App>, Environment(active): Environment) -> Result<Json<Vec<ServiceAnswer>>> {
    Ok(Json(app.pipeline.services(&active).await?.into_iter().map(Into::into).collect()))
}

/// Remove a feature service.
#[utoipa::path(delete, path = "/feast/services/{name}", tag = "Features", params(("name" = String, Path,)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
) -> Result<StatusCode> {
    app.pipeline.remove_service(&active, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
