//! `/environments/{name}/revisions`, `…/diff` and `…/rollback`: what an environment was, and being it again.

use asgard_pipeline::environments::Revised;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{ChangeAnswer, EnvironmentAnswer, Way, shown};
use crate::App;
use crate::access::Caller;
use crate::extract::{Body, Id, Params};
use crate::problem::{Problem, Result};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revision {
    revision: i64,
    /// Who says to have made it.
    author: String,
    note: String,
    created_at: DateTime<Utc>,
    /// Against the revision before it.
    changes: Vec<ChangeAnswer>,
    #[schema(value_type = Object)]
    document: Value,
}

impl From<Revised> for Revision {
    fn from(revised: Revised) -> Self {
        let revision = revised.revision;
        Self {
            revision: revision.revision,
            author: revision.author,
            note: revision.note,
            created_at: revision.created_at,
            changes: shown(revised.changes),
            document: serde_json::to_value(&revision.document).unwrap_or_default(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevisionList {
    /// Newest first.
    revisions: Vec<Revision>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Comparison {
    /// The other document: `NAME`, or `NAME@REVISION`.
    with: String,
    /// The revision of the environment itself; without it, the one that is true.
    #[param(required = false)]
    revision: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Difference {
    /// What would have to change in the environment to make the other of it.
    changes: Vec<ChangeAnswer>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RollBack {
    /// The revision whose document becomes true again.
    revision: i64,
}

/// Every revision of an environment, newest first, with what it changed.
#[utoipa::path(get, path = "/environments/{name}/revisions", tag = "Platform", params(("name" = String, Path,)),
    responses((status = 200, body = RevisionList)))]
pub(crate) async fn list(State(app): State<App>, Id(name): Id) -> Result<Json<RevisionList>> {
    let history = app.pipeline.environments().history(&name).await?;
    Ok(Json(RevisionList { revisions: history.into_iter().map(Into::into).collect() }))
}

/// What differs between an environment and another one, or between two of its revisions.
#[utoipa::path(get, path = "/environments/{name}/diff", tag = "Platform",
    params(("name" = String, Path,), Comparison), responses((status = 200, body = Difference)))]
pub(crate) async fn diff(
    State(app): State<App>,
    caller: Caller,
    Id(name): Id,
    Params(comparison): Params<Comparison>,
) -> Result<Json<Difference>> {
    let other = named(&comparison.with)?;
    caller.must_see(other.0)?;
    let changes = app.pipeline.compare_environments((&name, comparison.revision), other).await?;
    Ok(Json(Difference { changes: shown(changes) }))
}

/// Make an earlier revision's document true again, as a new revision.
#[utoipa::path(post, path = "/environments/{name}/rollback", tag = "Platform",
    params(("name" = String, Path,), Way), request_body = RollBack, responses((status = 200, body = EnvironmentAnswer)))]
pub(crate) async fn roll_back(
    State(app): State<App>,
    caller: Caller,
    Id(name): Id,
    Params(way): Params<Way>,
    headers: HeaderMap,
    Body(body): Body<RollBack>,
) -> Result<Json<EnvironmentAnswer>> {
    let applied = app.pipeline.roll_back_environment(&name, body.revision, &way.intent(&caller, &headers)?).await?;
    Ok(Json((&*applied.active).into()))
}

fn named(text: &str) -> Result<(&str, Option<i64>)> {
    let Some((name, revision)) = text.split_once('@') else { return Ok((text, None)) };
    let revision = revision.parse().map_err(|_| {
        Problem::field("with", format!("`{text}`: expected NAME or NAME@REVISION, such as `production@3`"))
    })?;
    Ok((name, Some(revision)))
}
