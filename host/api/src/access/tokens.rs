//! `/access/tokens`: API tokens. The text of one is in the answer that made it, and nowhere else. `/access/me`: who asks.

use asgard_store::{AccessRole, ApiToken, NewToken, Reach};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Caller;
use crate::App;
use crate::extract::{Body, Id, Paging, Params};
use crate::idempotency::ShownOnce;
use crate::problem::{Problem, Result};

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenRole {
    /// Looks.
    Viewer,
    /// Works: ingests, transforms, trains, deploys.
    Operator,
    /// Changes environments, plugins and secrets, and lets others in.
    Admin,
}

impl From<TokenRole> for AccessRole {
    fn from(role: TokenRole) -> Self {
        match role {
            TokenRole::Viewer => Self::Viewer,
            TokenRole::Operator => Self::Operator,
            TokenRole::Admin => Self::Admin,
        }
    }
}

impl From<AccessRole> for TokenRole {
    fn from(role: AccessRole) -> Self {
        match role {
            AccessRole::Viewer => Self::Viewer,
            AccessRole::Operator => Self::Operator,
            AccessRole::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateToken {
    /// One valid token of a name at a time.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9._-]+$")]
    name: String,
    #[schema(inline)]
    role: TokenRole,
    /// The environments that it holds in. Left out: all of them, and the host as a whole.
    #[schema(min_items = 1, max_items = 100)]
    environments: Option<Vec<String>>,
    /// Left out: it is valid until it is revoked.
    expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    id: String,
    name: String,
    #[schema(inline)]
    role: TokenRole,
    /// Null: all.
    environments: Option<Vec<String>>,
    created_by: String,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    /// To within a few seconds.
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl From<ApiToken> for TokenAnswer {
    fn from(token: ApiToken) -> Self {
        Self {
            environments: token.reach.names().map(<[String]>::to_vec),
            id: token.id,
            name: token.name,
            role: token.role.into(),
            created_by: token.created_by,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            revoked_at: token.revoked_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedToken {
    #[serde(flatten)]
    made: TokenAnswer,
    /// The token itself. It is not kept: nobody can show it again.
    token: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenList {
    tokens: Vec<TokenAnswer>,
    total: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantAnswer {
    #[schema(inline)]
    role: TokenRole,
    /// Null: all.
    environments: Option<Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// `token:NAME`, `oidc:SUBJECT`, `ASGARD_TOKEN`, or `local` where the host lets everyone in.
    who: String,
    grants: Vec<GrantAnswer>,
    /// Whether the host lets everyone in.
    open: bool,
}

/// Make an API token. Its text is in this answer only.
#[utoipa::path(post, path = "/access/tokens", tag = "Access", request_body = CreateToken,
    responses((status = 201, body = CreatedToken)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<CreateToken>,
) -> Result<impl IntoResponse> {
    let new = NewToken {
        name: body.name,
        role: body.role.into(),
        reach: Reach::of(body.environments),
        expires_at: body.expires_at,
        created_by: caller.who.to_string(),
    };
    new.check()?;
    let (made, token) = app.pipeline.store().create_token(&new).await?;
    let answer = CreatedToken { made: made.into(), token };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Extension(ShownOnce), Json(answer)))
}

/// All API tokens, newest first, without their text. Revoked ones stay in the list.
#[utoipa::path(get, path = "/access/tokens", tag = "Access", params(Paging),
    responses((status = 200, body = TokenList)))]
pub(crate) async fn list(State(app): State<App>, Params(paging): Params<Paging>) -> Result<Json<TokenList>> {
    let page = paging.page()?;
    let (tokens, total) = app.pipeline.store().tokens(page.limit, page.offset).await?;
    Ok(Json(TokenList { tokens: tokens.into_iter().map(Into::into).collect(), total }))
}

/// One API token, without its text.
#[utoipa::path(get, path = "/access/tokens/{id}", tag = "Access", params(("id" = String, Path,)),
    responses((status = 200, body = TokenAnswer)))]
pub(crate) async fn get(State(app): State<App>, Id(id): Id) -> Result<Json<TokenAnswer>> {
    let found = app.pipeline.store().token(&id).await?;
    let token = found.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no token `{id}`: GET /access/tokens lists those there are"),
        )
    })?;
    Ok(Json(token.into()))
}

/// Revoke an API token: the next request with it is refused. Nothing happens when it is revoked already.
#[utoipa::path(delete, path = "/access/tokens/{id}", tag = "Access", params(("id" = String, Path,)),
    responses((status = 204)))]
pub(crate) async fn revoke(State(app): State<App>, Id(id): Id) -> Result<StatusCode> {
    app.pipeline.store().revoke_token(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who asks, and what they may do.
#[utoipa::path(get, path = "/access/me", tag = "Access", responses((status = 200, body = Me)))]
pub(crate) async fn me(State(app): State<App>, caller: Caller) -> Json<Me> {
    let grants = caller.grants.iter().map(|grant| GrantAnswer {
        role: grant.role.into(),
        environments: grant.reach.names().map(<[String]>::to_vec),
    });
    Json(Me { who: caller.who.to_string(), grants: grants.collect(), open: app.access.is_open() })
}
