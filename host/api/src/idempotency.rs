//! `Idempotency-Key` on every POST: the same key and the same request are done once, and answered alike.
//!
//! The key is claimed in the store before the handler runs, so two requests that arrive together, on one host or on two,
//! do the work once; the second is told to ask again. Answers are kept for a day. An answer that says nothing was done and
//! the client may try again (5xx) is not kept: the key is free again. Nor is one that holds a secret ([`ShownOnce`]). Keys are
//! a caller's own: another one's key does not give them its answer.

use std::time::Duration;

use asgard_store::{Claim, Store, StoreError, StoredAnswer};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::App;
use crate::access::{Caller, Who};
use crate::environment::EnvironmentName;
use crate::extract::bytes;
use crate::problem::{PROBLEM_JSON, Problem, Result};

const HEADER: &str = "idempotency-key";

/// As people write it.
const HEADER_NAME: &str = "Idempotency-Key";

/// Longer ones are not keys but contents.
const LONGEST_KEY: usize = 255;

/// Larger answers are passed on and not kept; no POST of this API gives one.
const LARGEST_ANSWER: usize = 16 << 20;

/// Set on an answer that was given before.
const REPLAYED: &str = "idempotency-replayed";

/// On an answer that is to be written down nowhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShownOnce;

/// How often requests of hosts that are over are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Ends the requests of hosts that are over, again and again; see [`end_abandoned`]. Never ends by itself.
pub(crate) async fn keep_ending_abandoned(store: &Store) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Err(error) = end_abandoned(store).await {
            tracing::warn!(%error, "requests of hosts that are over were not ended");
        }
    }
}

/// Ends the requests that a host was killed over, an earlier life of this one or another: how far they came is not known, so
/// they are neither done again nor left under way.
pub(crate) async fn end_abandoned(store: &Store) -> std::result::Result<(), StoreError> {
    let problem = Problem::new(
        StatusCode::CONFLICT,
        "the host ended while it worked on the request with this Idempotency-Key, and how far it came is not known: look \
         whether what it asked for is there, and send it again with a new key if it is not",
    );
    let answer = StoredAnswer {
        status: problem.status,
        content_type: Some(PROBLEM_JSON.to_owned()),
        body: serde_json::to_vec(&problem).unwrap_or_default(),
    };
    let ended = store.answer_abandoned_keys(&answer).await?;
    if ended > 0 {
        tracing::warn!(requests = ended, "a host was ended in the middle of requests with Idempotency-Keys");
    }
    Ok(())
}

pub(crate) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    answer(&app, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(app: &App, request: Request, next: Next) -> Result<Response> {
    let key = key(&request)?;
    let scope = scope(app, &request);
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let mut request = Request::from_parts(parts.clone(), body);
    let body = bytes(std::mem::replace(&mut request, Request::new(Body::empty()))).await?;
    let fingerprint = fingerprint(&path, &body);
    match app.pipeline.store().claim_key(&scope, &key, &fingerprint).await? {
        Claim::Granted => {}
        Claim::UnderWay => {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "a request with this Idempotency-Key is being worked on: ask again in a moment",
            ));
        }
        Claim::OtherRequest => {
            return Err(Problem::field(HEADER_NAME, "was used for another request: take a new key for a new request"));
        }
        Claim::Answered(answer) => return replay(answer),
    }
    // Whatever becomes of the client, the claim must end: the work goes on even when the connection is lost.
    let app = app.clone();
    let work = tokio::spawn(async move {
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        keep(&app, &scope, &key, response).await
    });
    work.await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be finished"))?
}

/// Whose keys these are: the environment's, and within it the caller's.
fn scope(app: &App, request: &Request) -> String {
    let named = request.extensions().get::<EnvironmentName>();
    let environment = named.map_or(app.default_environment.as_ref(), |name| &name.0);
    match request.extensions().get::<Caller>().map(|caller| &caller.who) {
        None | Some(Who::Local) => environment.to_owned(),
        Some(who) => format!("{environment} {who}"),
    }
}

fn key(request: &Request) -> Result<String> {
    let text = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    if text.is_empty() || text.len() > LONGEST_KEY {
        return Err(Problem::field(
            HEADER_NAME,
            format!("expected 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID"),
        ));
    }
    Ok(text.to_owned())
}

fn fingerprint(path: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(path.as_bytes());
    hash.update([0]);
    hash.update(body);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn keep(app: &App, scope: &str, key: &str, response: Response) -> Result<Response> {
    let store = app.pipeline.store();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, LARGEST_ANSWER).await.map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the answer could not be read: {error}"))
    })?;
    let kept = if parts.status.is_server_error() || parts.extensions.get::<ShownOnce>().is_some() {
        store.release_key(scope, key).await
    } else {
        let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let answer = StoredAnswer {
            status: parts.status.as_u16(),
            content_type: content_type.map(str::to_owned),
            body: body.to_vec(),
        };
        store.keep_answer(scope, key, &answer).await
    };
    kept?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replay(answer: StoredAnswer) -> Result<Response> {
    let status = StatusCode::from_u16(answer.status)
        .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer that was kept cannot be read"))?;
    let mut response = (status, answer.body).into_response();
    if let Some(value) = answer.content_type.and_then(|kind| HeaderValue::from_str(&kind).ok()) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
