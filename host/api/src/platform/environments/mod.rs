//! `/environments`: what is bound where. An environment changes as a whole, and each change is a numbered revision.

pub(crate) mod check;
mod document;
pub(crate) mod plan;
pub(crate) mod promotion;
pub(crate) mod revisions;

use std::collections::BTreeMap;

use asgard_contract::environment::Change;
use asgard_contract::manifest::Role;
use asgard_pipeline::Active;
use asgard_pipeline::environments::Intent;
use asgard_pipeline::environments::documents::{Format, render};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use self::document::Document;
use crate::App;
use crate::access::{Caller, Who};
use crate::extract::{Id, Params};
use crate::problem::{Problem, Result};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnvironmentAnswer {
    name: String,
    description: Option<String>,
    revision: i64,
    /// Role -> the plugins that fill it.
    bindings: BTreeMap<String, Vec<String>>,
    /// The document, as JSON, without what is as it is by default. `Accept: application/toml` or `application/yaml` gives it as a
    /// file.
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

/// One value of a document that differs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeAnswer {
    /// `silver.configuration.driver`, `ingestion[postgres].grants.sockets`.
    field: String,
    /// Null: it is not there. Likewise below.
    #[schema(value_type = Value)]
    before: Option<Value>,
    #[schema(value_type = Value)]
    after: Option<Value>,
}

impl From<Change> for ChangeAnswer {
    fn from(change: Change) -> Self {
        Self { field: change.field, before: change.before, after: change.after }
    }
}

pub(crate) fn shown(changes: Vec<Change>) -> Vec<ChangeAnswer> {
    changes.into_iter().map(Into::into).collect()
}

/// How a change is made.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Way {
    /// Apply it although a backend does not answer: catalog, storage, or that of a plugin.
    #[serde(default)]
    #[param(default = false, required = false)]
    force: bool,
    /// Why, for the list of revisions.
    #[serde(default)]
    #[param(max_length = 500, required = false)]
    note: String,
    /// The revision that the change was made from: 409 when it is another by now. 0: there is no such environment yet.
    #[param(required = false)]
    expected_revision: Option<i64>,
}

/// Longer notes are documents.
const LONGEST_NOTE: usize = 500;

impl Way {
    /// Attributed to who sends the request.
    pub(crate) fn intent(self, caller: &Caller, headers: &HeaderMap) -> Result<Intent> {
        if self.note.chars().count() > LONGEST_NOTE || self.note.chars().any(char::is_control) {
            return Err(Problem::field("note", format!("expected one line of at most {LONGEST_NOTE} characters")));
        }
        Ok(Intent {
            author: author(caller, headers),
            note: self.note,
            force: self.force,
            expected: self.expected_revision,
        })
    }
}

/// Who sends the request. On an open host, which knows nobody, that is a claim: the header `Asgard-Author`, which the command line
/// fills with the user's name.
fn author(caller: &Caller, headers: &HeaderMap) -> String {
    if caller.who != Who::Local {
        return caller.who.to_string();
    }
    let named = headers.get("asgard-author").and_then(|value| value.to_str().ok()).map(str::trim);
    named.filter(|name| !name.is_empty() && name.len() <= 100).unwrap_or("api").to_owned()
}

/// All environments that can be used, and that the caller may look at.
#[utoipa::path(get, path = "/environments", tag = "Platform", responses((status = 200, body = EnvironmentList)))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Json<EnvironmentList> {
    let environments = app.pipeline.environments().list().await;
    let seen = environments.iter().filter(|active| caller.sees(&active.name));
    Json(EnvironmentList { environments: seen.map(|active| (&**active).into()).collect() })
}

/// One environment, as JSON or, with `Accept: application/toml` or `application/yaml`, as its file.
#[utoipa::path(get, path = "/environments/{name}", tag = "Platform", params(("name" = String, Path,)),
    responses((status = 200, content((EnvironmentAnswer = "application/json"), (String = "application/toml"),
        (String = "application/yaml")))))]
pub(crate) async fn get(State(app): State<App>, Id(name): Id, request: Request) -> Result<Response> {
    let active = app.pipeline.environments().get(&name).await?;
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wanted = accept.split(',').find_map(Format::of_media_type).filter(|format| *format != Format::Json);
    let Some(format) = wanted else { return Ok(Json(EnvironmentAnswer::from(&*active)).into_response()) };
    let text = render(&active.document, format)?;
    Ok(([(header::CONTENT_TYPE, format.media_type())], text).into_response())
}

/// How an environment is removed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Removal {
    /// Although what its deployments serve cannot be ended.
    #[serde(default)]
    #[param(default = false, required = false)]
    force: bool,
}

/// Remove an environment, with its revisions and its secrets; what its deployments serve is ended. Its tables and files stay where they are.
///
/// Refused with 409 for the default environment of this host, and while there are resources in it or tasks that have not ended.
#[utoipa::path(delete, path = "/environments/{name}", tag = "Platform", params(("name" = String, Path,), Removal),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Id(name): Id,
    Params(removal): Params<Removal>,
) -> Result<StatusCode> {
    if name == *app.default_environment {
        let message = format!("`{name}` is this host's default environment: start it with another one to remove it");
        return Err(Problem::new(StatusCode::CONFLICT, message));
    }
    app.pipeline.delete_environment(&name, removal.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make an environment's document true: checked whole, stored as a new revision, swapped in at once. JSON, TOML or YAML.
///
/// A document that does not fit, or a binding whose plugin fails its check, is refused with the field; nothing has changed then.
#[utoipa::path(put, path = "/environments/{name}", tag = "Platform", params(("name" = String, Path,), Way),
    request_body(content((Object = "application/json"), (String = "application/toml"), (String = "application/yaml"))),
    responses((status = 200, body = EnvironmentAnswer)))]
pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Id(name): Id,
    Params(way): Params<Way>,
    headers: HeaderMap,
    Document(document): Document,
) -> Result<Json<EnvironmentAnswer>> {
    document::named(&document, &name)?;
    let applied = app.pipeline.apply_environment(document, &way.intent(&caller, &headers)?).await?;
    Ok(Json((&*applied.active).into()))
}
