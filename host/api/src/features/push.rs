//! `/feast/features/{name}/push`: rows that do not wait for the view's table.

use asgard_pipeline::features::Push;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Body, Environment, Id};
use crate::problem::Result;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PushRequest {
    /// At most 10,000 objects: all entities and features of the view (null where there is none), its event time by the column's name,
    /// and its created timestamp if there is one (left out: now).
    #[schema(value_type = Vec<Object>, example = json!([{"operator_id": "OP-1", "seen": "2026-01-01T12:00:00Z", "total_orders": 7}]))]
    rows: Vec<Map<String, Value>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PushAnswer {
    view: String,
    /// Rows that were the newest of their entity when they came.
    rows_written: u64,
    /// Rows that were older than what was there, and changed nothing.
    rows_older: u64,
}

/// Write rows to a view's online store. Joins do not see them. The newer event time stays.
#[utoipa::path(post, path = "/feast/features/{name}/push", tag = "Features", params(("name" = String, Path,)),
    request_body = PushRequest, responses((status = 200, body = PushAnswer)))]
pub(crate) async fn push(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
    Body(body): Body<PushRequest>,
) -> Result<Json<PushAnswer>> {
    let outcome = app.pipeline.push_features(&active, Push { view: name.clone(), rows: body.rows }).await?;
    Ok(Json(PushAnswer { view: name, rows_written: outcome.written, rows_older: outcome.older }))
}
