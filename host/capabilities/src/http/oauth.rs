//! OAuth 2.0 client credentials (RFC 6749, section 4.4): a token is fetched when it is needed and kept until it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use asgard_contract::{Error, Result};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::connector::{Connector, Pool};
use super::credentials::{basic, sensitive};
use super::retry_after::retry_after_ms;
use crate::addresses::{Addresses, Host};
use crate::resolve::SystemResolver;
use crate::secrets::Secrets;

/// A token that ends while its request is on the way is of no use.
const MARGIN: Duration = Duration::from_secs(30);

/// Of a token whose server does not say.
const DEFAULT_LIFE: Duration = Duration::from_secs(300);

/// A token server's answer has some kilobytes.
const LARGEST_ANSWER: usize = 256 << 10;

/// Where tokens of one credential come from. All calls of a binding share it.
pub(super) struct TokenSource {
    url: Url,
    client_id: String,
    secret: String,
    scope: Option<String>,
    /// Reaches the token's server only: naming it in the environment grants it to the host, not to the plugin.
    pool: Pool,
    /// Held while a token is fetched, so that many calls fetch one.
    token: Mutex<Option<Token>>,
}

struct Token {
    value: String,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// Seconds. Some servers write it as text.
    expires_in: Option<serde_json::Value>,
}

impl TokenSource {
    /// # Errors
    /// `invalid-input` in `token_url`.
    pub(super) fn new(token_url: &str, client_id: String, secret: String, scope: Option<String>) -> Result<Self> {
        let wrong =
            || Error::invalid("token_url", format!("`{token_url}` is no URL: expected `https://…` or `http://…`"));
        let url =
            Url::parse(token_url).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)?;
        let host: Host = url.host_str().ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
        let port = url.port_or_known_default().ok_or_else(wrong)?;
        let addresses = Addresses::parse(&[format!("{host}:{port}")])?;
        let pool = Connector::new(Arc::new(addresses), Arc::new(SystemResolver)).pool();
        Ok(Self { url, client_id, secret, scope, pool, token: Mutex::default() })
    }

    /// A token that is good for a while.
    pub(super) async fn token(&self, environment: &str, secrets: &dyn Secrets) -> Result<String> {
        let mut token = self.token.lock().await;
        if let Some(token) = token.as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.value.clone());
        }
        let password = secrets.get(environment, &self.secret).await?;
        let fetched = self.fetch(&password).await?;
        let value = fetched.value.clone();
        *token = Some(fetched);
        Ok(value)
    }

    /// False when there is none.
    pub(super) async fn forget(&self) -> bool {
        self.token.lock().await.take().is_some()
    }

    /// Servers must accept the client's name and secret as Basic credentials. Those that do not want them in the form.
    async fn fetch(&self, password: &str) -> Result<Token> {
        let mut answer = self.ask(password, true).await?;
        if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST) {
            answer = self.ask(password, false).await?;
        }
        let (parts, body) = answer.into_parts();
        let status = parts.status;
        if !status.is_success() {
            let retry_after_ms = retry_after_ms(&parts.headers);
            let text = String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
            let message = format!("`{}` gives no token ({status}): {text}", self.url);
            return Err(match status {
                StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    Error::unauthenticated(message)
                }
                _ => Error::Unavailable { message, retry_after_ms },
            });
        }
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|error| Error::unavailable(format!("`{}` answers with no token: {error}", self.url)))?;
        let seconds = answer.expires_in.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        let life = seconds.map_or(DEFAULT_LIFE, Duration::from_secs);
        // A short-lived token is used for half its life at least.
        let useful = life.saturating_sub(MARGIN).max(life / 2);
        Ok(Token { value: answer.access_token, until: Instant::now() + useful })
    }

    async fn ask(&self, password: &str, in_header: bool) -> Result<http::Response<Bytes>> {
        // In a block of its own: the serializer may not be held across an await.
        let form = {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("grant_type", "client_credentials");
            if let Some(scope) = &self.scope {
                form.append_pair("scope", scope);
            }
            if !in_header {
                form.append_pair("client_id", &self.client_id).append_pair("client_secret", password);
            }
            form.finish()
        };
        let mut request = http::Request::builder()
            .method(Method::POST)
            .uri(self.url.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::from(form)))
            .map_err(|error| Error::internal(error.to_string()))?;
        if in_header {
            // Both are form-encoded first, by section 2.3.1.
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let value = basic(&encoded(&self.client_id), &encoded(password));
            request.headers_mut().insert(AUTHORIZATION, sensitive(&value)?);
        }
        let away =
            |error: &dyn std::fmt::Display| Error::unavailable(format!("`{}` gives no token: {error}", self.url));
        let answer = self.pool.request(request).await.map_err(|error| {
            use std::error::Error as _;
            error.source().map_or_else(|| away(&error), |cause| away(&cause))
        })?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await.map_err(|error| away(&error))?;
        Ok(http::Response::from_parts(parts, body.to_bytes()))
    }
}
