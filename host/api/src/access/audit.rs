//! `/access/audit`: who changed what, and who was refused.

use asgard_store::{AuditEntry, AuditFilter};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::extract::{Params, first_page, page, usual_page};
use crate::problem::Result;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    #[serde(default = "first_page")]
    #[param(minimum = 1, maximum = 1_000_000, default = 1, required = false)]
    page: u64,
    #[serde(default = "usual_page")]
    #[param(minimum = 1, maximum = 1000, default = 100, required = false)]
    page_size: u32,
    /// The environment that requests were about.
    #[param(required = false)]
    environment: Option<String>,
    /// `token:NAME`, `oidc:SUBJECT`, `ASGARD_TOKEN`, `local` or `stranger`.
    #[param(required = false)]
    who: Option<String>,
    /// From this moment on.
    #[param(required = false)]
    since: Option<DateTime<Utc>>,
    /// Before this moment.
    #[param(required = false)]
    until: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditAnswer {
    id: String,
    time: DateTime<Utc>,
    /// `token:NAME`, `oidc:SUBJECT`, `ASGARD_TOKEN`, `local`, or `stranger` for whoever had no valid token.
    who: String,
    /// The API token that it came with.
    token_id: Option<String>,
    /// Of HTTP, or `CLI`.
    method: String,
    /// The route, such as `/sink/{id}`, or the command.
    route: String,
    /// The path as it was asked for: it names what the request was about. Its query is not kept.
    path: String,
    /// Null: the request was about the host as a whole.
    environment: Option<String>,
    /// The id of what was made.
    subject: Option<String>,
    /// `done`; `refused`: the caller may not; `failed`: with the status; `abandoned`: the client did not wait.
    outcome: &'static str,
    /// HTTP status.
    status: Option<u16>,
}

impl From<AuditEntry> for AuditAnswer {
    fn from(stored: AuditEntry) -> Self {
        let entry = stored.entry;
        Self {
            id: stored.id,
            time: stored.time,
            who: entry.who,
            token_id: entry.token_id,
            method: entry.method,
            route: entry.route,
            path: entry.path,
            environment: entry.environment,
            subject: entry.subject,
            outcome: entry.outcome.as_str(),
            status: entry.status,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// Newest first.
    entries: Vec<AuditAnswer>,
    total: u64,
}

/// The audit trail: requests that changed something, and refused ones, newest first.
#[utoipa::path(get, path = "/access/audit", tag = "Access", params(AuditQuery),
    responses((status = 200, body = AuditPage)))]
pub(crate) async fn list(State(app): State<App>, Params(query): Params<AuditQuery>) -> Result<Json<AuditPage>> {
    let part = page(query.page, query.page_size)?;
    let filter = AuditFilter { environment: query.environment, who: query.who, since: query.since, until: query.until };
    let (entries, total) = app.pipeline.store().audit_trail(&filter, part.limit, part.offset).await?;
    Ok(Json(AuditPage { entries: entries.into_iter().map(Into::into).collect(), total }))
}
