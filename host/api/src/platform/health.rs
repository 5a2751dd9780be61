//! `/health` and `/ready`: whether the process runs, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::problem::{Problem, Result};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `healthy` or `ready`.
    status: &'static str,
    version: &'static str,
}

/// The process runs.
#[utoipa::path(get, path = "/health", tag = "Platform", responses((status = 200, body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "healthy", version: env!("CARGO_PKG_VERSION") })
}

/// The store answers and environments are open: requests can be worked on.
#[utoipa::path(get, path = "/ready", tag = "Platform", responses((status = 200, body = Health)))]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Health>> {
    app.pipeline.store().environments().await.map_err(|error| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the store does not answer: {error}"))
    })?;
    Ok(Json(Health { status: "ready", version: env!("CARGO_PKG_VERSION") }))
}
