//! Outgoing HTTP to granted hosts.
//!
//! | file | what it does |
//! | --- | --- |
//! | `policy` | which grant covers a host: parsed once, decided for each request and each redirect |
//! | `connector` | resolves, checks the addresses, connects to what was checked, speaks TLS |
//! | `credentials` | attaches what the grant names; the plugin never sees it |
//! | `oauth`, `sigv4` | the two that take more than a line |
//! | `substitution` | secrets in bodies |
//! | `retry_after` | a server's wish to be left alone for a while |
//! | `exchange` | one request and its answer, within limits |
//!
//! Each grant has a pool of connections of its own: a connection that was allowed by one grant is never used for a request
//! under another.

mod connector;
mod credentials;
mod exchange;
mod oauth;
mod policy;
mod retry_after;
mod sigv4;
mod substitution;

use std::sync::Arc;
use std::time::Duration;

use asgard_contract::{Error, Result};

pub(crate) use policy::{Policy, Reachable};
pub use retry_after::retry_after_ms;

use crate::holder::Holder;
use crate::secrets::Secrets;

/// As browsers have it, more or less.
const MOST_REDIRECTS: usize = 10;

/// One request; see `wit/http`.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    pub timeout_ms: u32,
}

/// What a plugin wants its request sent with; secrets are references. See `wit/http`.
#[derive(Debug, Clone)]
pub enum Credential {
    Bearer {
        secret: String,
    },
    Basic {
        username: String,
        secret: String,
    },
    AwsSigv4 {
        access_key_id: String,
        secret_access_key: String,
        session_token: Option<String>,
        region: String,
        service: String,
    },
}

/// Any status is an answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What is lent: a client limited to granted hosts.
#[derive(Clone)]
pub struct Client {
    pub(crate) holder: Holder,
    pub(crate) reachable: Arc<Reachable>,
    pub(crate) secrets: Arc<dyn Secrets>,
    /// Of a request's and of an answer's body, in bytes.
    pub(crate) body_limit: u64,
    /// Of a whole exchange, redirects included, whatever the plugin asks for.
    pub(crate) longest: Duration,
}

impl Client {
    /// One exchange, redirects included.
    ///
    /// # Errors
    /// `forbidden` for a host that is not granted; `unavailable` tells refused, unreachable, unknown host, time out and TLS
    /// apart; `invalid-input` for what is no request, or a body over the limit.
    pub async fn send(&self, request: Request) -> Result<Response> {
        self.deliver(request, None).await
    }

    /// One exchange with a credential that the plugin names by references. A redirect to another origin goes without it.
    ///
    /// # Errors
    /// As [`Client::send`]; `invalid-input` where the grant has a credential of its own; `forbidden` for a secret that would go
    /// to the server as it is, without `substitute_secrets`; `not-found` for a secret that is not there.
    pub async fn send_as(&self, request: Request, credential: Credential) -> Result<Response> {
        self.deliver(request, Some(credential)).await
    }

    async fn deliver(&self, request: Request, credential: Option<Credential>) -> Result<Response> {
        // Without the query, which may hold what does not belong into logs.
        let target = request.url.split(['?', '#']).next().unwrap_or_default().to_owned();
        let limit = Duration::from_millis(request.timeout_ms.max(1).into()).min(self.longest);
        let sending = async {
            tokio::time::timeout(limit, self.follow(request, credential)).await.unwrap_or_else(|_| {
                let ms = limit.as_millis();
                Err(Error::unavailable(format!("`{target}` did not answer within {ms} ms")))
            })
        };
        self.holder.using("http", "send", &target, sending).await
    }

    async fn follow(&self, request: Request, credential: Option<Credential>) -> Result<Response> {
        let mut step = exchange::Step::first(request, credential, self.body_limit)?;
        for _ in 0..=MOST_REDIRECTS {
            let response = self.exchange(&step).await?;
            match step.redirected(&response)? {
                Some(next) => step = next,
                None => return Ok(response),
            }
        }
        Err(Error::unavailable(format!("`{}` redirects in a circle", step.url())))
    }
}
