//! `/secrets`: secrets of an environment, by name. A value goes in and never comes out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Body, Environment, Id};
use crate::problem::{Problem, Result};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecretList {
    /// Names only.
    secrets: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct SecretValue {
    #[schema(min_length = 1, write_only)]
    value: String,
}

/// The names of the environment's secrets.
#[utoipa::path(get, path = "/secrets", tag = "Platform", responses((status = 200, body = SecretList)))]
pub(crate) async fn list(State(app): State<App>, Environment(active): Environment) -> Result<Json<SecretList>> {
    let secrets = app.pipeline.store().secrets(&active.name).await?;
    Ok(Json(SecretList { secrets: secrets.into_iter().map(|secret| secret.name).collect() }))
}

/// Store a secret. Configurations name it as `secret://NAME`.
#[utoipa::path(put, path = "/secrets/{name}", tag = "Platform", params(("name" = String, Path,)),
    request_body = SecretValue, responses((status = 204)))]
pub(crate) async fn put(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
    Body(body): Body<SecretValue>,
) -> Result<StatusCode> {
    let good = name.len() <= 200 && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !good {
        return Err(Problem::field("name", "expected letters, digits, `.`, `_` and `-`, at most 200 characters"));
    }
    if body.value.is_empty() {
        return Err(Problem::field("value", "is empty"));
    }
    app.pipeline.store().set_secret(&active.name, &name, &body.value).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget a secret.
#[utoipa::path(delete, path = "/secrets/{name}", tag = "Platform", params(("name" = String, Path,)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
) -> Result<StatusCode> {
    app.pipeline.store().delete_secret(&active.name, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
