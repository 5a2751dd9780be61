//! `/environments`: what is bound where. An environment changes as a whole: one PUT makes a document true.

use std::collections::BTreeMap;

use asgard_contract::environment::Environment as Document;
use asgard_contract::manifest::Role;
use asgard_pipeline::Active;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Id, bytes};
use crate::problem::{Problem, Result};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnvironmentAnswer {
    name: String,
    description: Option<String>,
    revision: i64,
    /// Role -> the plugins that fill it.
    bindings: BTreeMap<String, Vec<String>>,
    /// The whole document, as JSON. `Accept: application/toml` gives it as a file.
    #[schema(value_type = Object)]
    document: Value,
}

impl From<&Active> for EnvironmentAnswer {
    fn from(active: &Active) -> Self {
        let bindings = Role::ALL.into_iter().map(|role| {
            let plugins = active.document.bindings(role).into_iter().map(|binding| binding.plugin.clone());
            (role.to_string(), plugins.collect())
        });
        Self {
            name: active.name.clone(),
            description: active.document.description.clone(),
            revision: active.revision,
            bindings: bindings.collect(),
            document: serde_json::to_value(&*active.document).unwrap_or_default(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnvironmentList {
    environments: Vec<EnvironmentAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revision {
    revision: i64,
    author: String,
    note: String,
    created_at: DateTime<Utc>,
    #[schema(value_type = Object)]
    document: Value,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevisionList {
    /// Newest first.
    revisions: Vec<Revision>,
}

/// All environments.
#[utoipa::path(get, path = "/environments", tag = "Platform", responses((status = 200, body = EnvironmentList)))]
pub(crate) async fn list(State(app): State<App>) -> Json<EnvironmentList> {
    let environments = app.pipeline.environments().list().await;
    Json(EnvironmentList { environments: environments.iter().map(|active| (&**active).into()).collect() })
}

/// One environment, as JSON or, with `Accept: application/toml`, as its file.
#[utoipa::path(get, path = "/environments/{name}", tag = "Platform", params(("name" = String, Path,)),
    responses((status = 200, content((EnvironmentAnswer = "application/json"), (String = "application/toml")))))]
pub(crate) async fn get(State(app): State<App>, Id(name): Id, request: Request) -> Result<Response> {
    let active = app.pipeline.environments().get(&name).await?;
    let wants_toml = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("toml"));
    if !wants_toml {
        return Ok(Json(EnvironmentAnswer::from(&*active)).into_response());
    }
    let text = toml::to_string_pretty(&*active.document)
        .map_err(|error| asgard_contract::Error::internal(format!("the document has no TOML form: {error}")))?;
    Ok(([(header::CONTENT_TYPE, "application/toml")], text).into_response())
}

/// Make an environment's document true: checked whole, stored as a new revision, swapped in at once. JSON or TOML.
#[utoipa::path(put, path = "/environments/{name}", tag = "Platform", params(("name" = String, Path,)),
    request_body(content((Object = "application/json"), (String = "application/toml"))),
    responses((status = 200, body = EnvironmentAnswer)))]
pub(crate) async fn put(State(app): State<App>, Id(name): Id, request: Request) -> Result<Json<EnvironmentAnswer>> {
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/json"));
    let body = bytes(request).await?;
    let document: Document = if is_json {
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(&body))
            .map_err(|error| Problem::field(error.path().to_string(), error.inner().to_string()))?
    } else {
        let text = std::str::from_utf8(&body).map_err(|_| Problem::field("body", "is no UTF-8 text"))?;
        asgard_pipeline::environments::parse(text)?
    };
    if document.name != name {
        return Err(Problem::field("name", format!("`{}`: expected `{name}`, as in the route", document.name)));
    }
    let active = app.pipeline.environments().apply(document, "api", "PUT").await?;
    active.lender.start_services();
    Ok(Json((&*active).into()))
}

/// Every revision of an environment, newest first.
#[utoipa::path(get, path = "/environments/{name}/revisions", tag = "Platform", params(("name" = String, Path,)),
    responses((status = 200, body = RevisionList)))]
pub(crate) async fn revisions(State(app): State<App>, Id(name): Id) -> Result<Json<RevisionList>> {
    let revisions = app.pipeline.environments().revisions(&name).await?;
    let revisions = revisions.into_iter().map(|revision| Revision {
        revision: revision.revision,
        author: revision.author,
        note: revision.note,
        created_at: revision.created_at,
        document: serde_json::to_value(&revision.document).unwrap_or_default(),
    });
    Ok(Json(RevisionList { revisions: revisions.collect() }))
}
