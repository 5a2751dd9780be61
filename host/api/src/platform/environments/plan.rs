//! `/environments/{name}/plan`: what a document would change.

use asgard_pipeline::environments::Plan;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::document::{self, Document};
use super::{ChangeAnswer, shown};
use crate::App;
use crate::extract::Id;
use crate::problem::Result;

/// What would change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanAnswer {
    environment: String,
    /// The revision that it starts from, for `expected_revision`; 0 where there is no such environment yet.
    revision: i64,
    /// Empty: the document is true already.
    changes: Vec<ChangeAnswer>,
    /// Of a promotion: where the environment keeps its own value (`before`) instead of the origin's (`after`).
    kept: Vec<ChangeAnswer>,
    /// Of a promotion: secrets and endpoints that come from the origin, because the environment has none in their place.
    brought: Vec<String>,
}

impl From<Plan> for PlanAnswer {
    fn from(plan: Plan) -> Self {
        Self {
            environment: plan.environment,
            revision: plan.revision,
            changes: shown(plan.changes),
            kept: shown(plan.kept),
            brought: plan.brought,
        }
    }
}

/// What a document would change. Nothing is changed, and no backend is asked.
#[utoipa::path(post, path = "/environments/{name}/plan", tag = "Platform", params(("name" = String, Path,)),
    request_body(content((Object = "application/json"), (String = "application/toml"), (String = "application/yaml"))),
    responses((status = 200, body = PlanAnswer)))]
pub(crate) async fn plan(
    State(app): State<App>,
    Id(name): Id,
    Document(document): Document,
) -> Result<Json<PlanAnswer>> {
    document::named(&document, &name)?;
    Ok(Json(app.pipeline.plan_environment(&document).await?.into()))
}
