//! Who may ask for what.
//!
//! - **An open host lets everyone in** and does not look at `Authorization`: it listens on loopback, and programs such as
//!   PyIceberg send a made-up token when they have none. Whether a host is open is decided at its start and stays so: a token
//!   that is made on an open host does not shut out those who work on it.
//! - **Any other host wants a bearer**: the token that it was started with, an API token, or one of its OpenID Connect issuer.
//!   What the caller may do is in [`roles`]; the environment that a request is about is checked here, before anything looks
//!   whether it exists. Nobody asks more than [`limits`] allow, and what they change is in the [`trail`].
//! - Refusals say what is wanted and what was granted, to the caller only. A stranger learns nothing: not which routes,
//!   environments or tokens there are.

pub(crate) mod audit;
mod bearer;
mod caller;
mod limits;
mod oidc;
mod roles;
mod subject;
pub(crate) mod tokens;
mod trail;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asgard_store::{AccessRole, AuditOutcome, AuditRetention, NewAuditEntry, Store};
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};

pub(crate) use self::caller::{Caller, Who};
pub use self::limits::Limits;
use self::limits::Meter;
use self::oidc::Issuer;
pub use self::oidc::{OidcConfig, OidcGrant};
use self::roles::{Place, Rule};
pub(crate) use self::roles::{is_of_an_environment, role_of};
use self::trail::Trail;
use crate::App;
use crate::environment::EnvironmentName;
use crate::peer::Peer;
use crate::problem::Problem;

/// How often it is written down when tokens were last used: often enough for a person who looks, and not at every request.
const NOTE_USES_EVERY: Duration = Duration::from_secs(2);

/// How often the old end of the audit trail is cut: it grows slowly.
const TRIM_EVERY: Duration = Duration::from_secs(3600);

/// Bodies of everyday requests are smaller.
const LARGEST_DRAINED: usize = 64 << 10;

/// Such a body is there with its request, or a round trip later.
const DRAIN_WITHIN: Duration = Duration::from_secs(2);

/// Whom a host lets in.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Everyone who reaches it.
    Everyone,
    /// Those with a token.
    Bearers {
        /// One that is no API token, and an admin's.
        token: Option<Arc<str>>,
        /// Who may say who someone is, beside the host.
        issuer: Option<OidcConfig>,
    },
}

/// The host's door.
pub(crate) struct Access {
    keys: Keys,
    store: Store,
    meter: Arc<Meter>,
    trail: Trail,
    /// When tokens were used that nobody has written down yet, by id.
    used: Mutex<HashMap<String, DateTime<Utc>>>,
}

/// What opens it.
enum Keys {
    None,
    Bearers { token: Option<Arc<str>>, issuer: Option<Box<Issuer>> },
}

impl Access {
    /// # Errors
    /// `invalid-input` for an issuer that cannot be trusted.
    pub(crate) fn new(
        admission: Admission,
        limits: Limits,
        retention: AuditRetention,
        store: Store,
    ) -> asgard_contract::Result<Self> {
        let keys = match admission {
            Admission::Everyone => Keys::None,
            Admission::Bearers { token, issuer } => {
                Keys::Bearers { token, issuer: issuer.map(Issuer::new).transpose()?.map(Box::new) }
            }
        };
        let trail = Trail::new(store.clone(), retention);
        Ok(Self { keys, store, meter: Meter::new(limits), trail, used: Mutex::default() })
    }

    /// Whether everyone is let in.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.keys, Keys::None)
    }

    async fn identify(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let Keys::Bearers { token, issuer } = &self.keys else { return Ok(Caller::local()) };
        let Some(given) = bearer::of(headers) else {
            return Err(unauthenticated("this host wants a token: send the header `Authorization: Bearer TOKEN`"));
        };
        if token.as_deref().is_some_and(|token| bearer::same(given, token)) {
            return Ok(Caller::configured());
        }
        if let Some(issuer) = issuer
            && oidc::is_one(given)
        {
            return issuer.identify(given).await;
        }
        let known = self.store.token_of(given).await?;
        let known = known.ok_or_else(|| {
            unauthenticated("this is no token of this host: an admin makes one with `asgard token create`")
        })?;
        let name = &known.name;
        if known.revoked_at.is_some() {
            return Err(unauthenticated(format!("the token `{name}` is revoked: ask an admin for another one")));
        }
        let now = Utc::now();
        if known.expires_at.is_some_and(|at| at <= now) {
            return Err(unauthenticated(format!("the token `{name}` has expired: ask an admin for another one")));
        }
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(known.id.clone(), now);
        Ok(known.into())
    }

    /// Writes down when tokens were used, and cuts the audit trail. Never ends by itself.
    pub(crate) async fn keep_house(&self) {
        let mut uses = tokio::time::interval(NOTE_USES_EVERY);
        let mut trims = tokio::time::interval(TRIM_EVERY);
        loop {
            tokio::select! {
                _ = uses.tick() => self.note_uses().await,
                _ = trims.tick() => self.trail.trim().await,
            }
        }
    }

    /// Waits for what is being written, once no more requests come.
    pub(crate) async fn finish(&self) {
        self.trail.finish().await;
        self.note_uses().await;
    }

    async fn note_uses(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, at) in used {
            if let Err(error) = self.store.note_token_use(&id, at).await {
                tracing::warn!(%error, token = id, "when a token was used could not be written down");
            }
        }
    }
}

fn unauthenticated(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}

/// Lets a request through to its route, with its [`Caller`], or refuses it.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let rule = roles::wanted(request.method(), route);
    if rule.role.is_none() {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let environment = environment(&app, rule, route.unwrap_or_default(), &mut parts).await;
    let (who, admitted) = match app.access.identify(&parts.headers).await {
        Ok(caller) if caller.may(rule, environment.as_deref()) => (caller.who.clone(), Ok(caller)),
        Ok(caller) => (caller.who.clone(), Err(forbidden(&caller, rule, environment.as_deref()))),
        Err(problem) => (Who::Stranger, Err(problem)),
    };
    // What only reads is in the trail when it is refused, so most requests need no entry.
    let entry = |parts: &Parts| NewAuditEntry {
        token_id: who.token_id().map(str::to_owned),
        who: who.to_string(),
        method: parts.method.to_string(),
        route: route.unwrap_or("-").to_owned(),
        path: parts.uri.path().to_owned(),
        environment: environment.clone(),
        subject: None,
        outcome: AuditOutcome::Abandoned,
        status: None,
    };
    let caller = match admitted {
        Ok(caller) => caller,
        Err(problem) => {
            drain(body).await;
            return refuse(&app.access, &who, &parts, entry(&parts), problem).await;
        }
    };
    let seat = match app.access.meter.seat(&who.to_string()) {
        Ok(seat) => seat,
        Err(problem) => {
            drain(body).await;
            return problem.into_response();
        }
    };
    let pending = rule.changes.then(|| app.access.trail.begin(entry(&parts)));
    let method = parts.method.clone();
    parts.extensions.insert(caller);
    let request = Request::from_parts(parts, body);
    let response = if let Some(pending) = pending {
        let (subject, response) = subject::of(&method, next.run(request).await).await;
        pending.end(response.status(), subject).await;
        response
    } else {
        next.run(request).await
    };
    match seat {
        Some(seat) => seat.until_sent(response),
        None => response,
    }
}

/// A refused request is counted and remembered, so that whoever tries many is slowed down and seen.
async fn refuse(access: &Access, who: &Who, parts: &Parts, entry: NewAuditEntry, problem: Problem) -> Response {
    let counted = match who {
        Who::Stranger => {
            let peer = parts.extensions.get::<ConnectInfo<Peer>>();
            access.meter.count(&peer.map_or_else(|| "a stranger".to_owned(), |ConnectInfo(peer)| peer.to_string()))
        }
        _ => access.meter.count(&entry.who),
    };
    if let Err(problem) = counted {
        return problem.into_response();
    }
    let response = refusal(problem);
    if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        access.trail.begin(entry).end(response.status(), None).await;
    }
    response
}

/// The environment that a request is about, by name, whether there is one of that name or not.
async fn environment(app: &App, rule: Rule, route: &str, parts: &mut Parts) -> Option<String> {
    if rule.place != Place::Environment {
        return None;
    }
    if let Some(name) = parts.extensions.get::<EnvironmentName>() {
        return Some(name.0.clone());
    }
    match route.strip_prefix("/environments") {
        None => Some(app.default_environment.to_string()),
        Some("") => None,
        Some(_) => {
            let read = RawPathParams::from_request_parts(parts, app).await;
            // What cannot be read is within no list of names, and its route refuses it.
            Some(read.ok().and_then(|read| Some(read.iter().next()?.1.to_owned())).unwrap_or_default())
        }
    }
}

fn forbidden(caller: &Caller, rule: Rule, environment: Option<&str>) -> Problem {
    let place = match (rule.place, environment) {
        (Place::Environment, Some(name)) => format!(" in environment `{name}`"),
        (Place::Anywhere, _) => String::new(),
        (Place::Environment, None) | (Place::Host, _) => " of all environments".to_owned(),
    };
    caller.refused(rule.role.unwrap_or(AccessRole::Admin), &place)
}

/// Reads what came with a refused request: a connection with an unread body is closed, and the client's next request on it
/// would fail without an answer. Whoever sends more, or slowly, loses the connection.
async fn drain(body: Body) {
    let _ = tokio::time::timeout(DRAIN_WITHIN, to_bytes(body, LARGEST_DRAINED)).await;
}

/// A refusal says in its header too what would be let in (RFC 6750).
fn refusal(problem: Problem) -> Response {
    let challenge = match problem.status {
        401 => "Bearer realm=\"asgard\"",
        403 => "Bearer realm=\"asgard\", error=\"insufficient_scope\"",
        _ => return problem.into_response(),
    };
    let mut response = problem.into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
