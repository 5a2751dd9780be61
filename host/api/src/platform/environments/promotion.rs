//! `/environments/{name}/promotion`: another environment's bindings in this one, less secrets and endpoints.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::plan::PlanAnswer;
use super::{EnvironmentAnswer, Way};
use crate::App;
use crate::access::Caller;
use crate::extract::{Body, Id, Params};
use crate::problem::Result;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Origin {
    /// The environment whose bindings are taken.
    from: String,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Promote {
    /// The environment whose bindings are taken.
    from: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PromotionAnswer {
    /// What was changed.
    plan: PlanAnswer,
    environment: EnvironmentAnswer,
}

/// What a promotion would change. Nothing is changed.
#[utoipa::path(get, path = "/environments/{name}/promotion", tag = "Platform",
    params(("name" = String, Path,), Origin), responses((status = 200, body = PlanAnswer)))]
pub(crate) async fn plan(
    State(app): State<App>,
    caller: Caller,
    Id(name): Id,
    Params(origin): Params<Origin>,
) -> Result<Json<PlanAnswer>> {
    caller.must_see(&origin.from)?;
    Ok(Json(app.pipeline.plan_promotion(&origin.from, &name).await?.into()))
}

/// Make another environment's bindings true in this one. Secrets, endpoints and what they are granted for, the lakehouse and the limits
/// stay as they are here.
#[utoipa::path(post, path = "/environments/{name}/promotion", tag = "Platform",
    params(("name" = String, Path,), Way), request_body = Promote, responses((status = 200, body = PromotionAnswer)))]
pub(crate) async fn promote(
    State(app): State<App>,
    caller: Caller,
    Id(name): Id,
    Params(way): Params<Way>,
    headers: HeaderMap,
    Body(body): Body<Promote>,
) -> Result<Json<PromotionAnswer>> {
    caller.must_see(&body.from)?;
    let (plan, applied) = app.pipeline.promote_environment(&body.from, &name, &way.intent(&caller, &headers)?).await?;
    Ok(Json(PromotionAnswer { plan: plan.into(), environment: (&*applied.active).into() }))
}
