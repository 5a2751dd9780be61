//! Who we are to the catalog: a token, a name and password, or a client of an OAuth server.

use std::fmt;
use std::time::{Duration, Instant};

use asgard_capabilities::http::retry_after_ms;
use asgard_contract::{Error, Result};
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

/// A token is renewed this long before it ends, so that none ends on its way.
const RENEWED_BEFORE: Duration = Duration::from_secs(30);

/// For servers that do not say how long a token lasts.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(300);

/// Credentials, secrets in place.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorization {
    Bearer { token: String },
    Basic { username: String, password: String },
    Oauth { token_url: String, client_id: String, client_secret: String, scope: Option<String> },
}

impl fmt::Debug for Authorization {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer { .. } => "bearer",
            Self::Basic { .. } => "basic",
            Self::Oauth { .. } => "oauth",
        })
    }
}

#[derive(Debug)]
pub(super) struct Authorizer {
    authorization: Option<Authorization>,
    token: Mutex<Option<Token>>,
}

struct Token {
    text: String,
    until: Instant,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("token")
    }
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_in: Option<u64>,
}

impl Authorizer {
    pub(super) fn new(authorization: Option<Authorization>) -> Self {
        Self { authorization, token: Mutex::default() }
    }

    pub(super) async fn authorize(
        &self,
        http: &reqwest::Client,
        base: &Url,
        request: RequestBuilder,
    ) -> Result<RequestBuilder> {
        Ok(match &self.authorization {
            None => request,
            Some(Authorization::Bearer { token }) => request.bearer_auth(token),
            Some(Authorization::Basic { username, password }) => request.basic_auth(username, Some(password)),
            Some(Authorization::Oauth { token_url, client_id, client_secret, scope }) => {
                // Held while a token is fetched, so that requests that wait for it fetch none of their own.
                let mut known = self.token.lock().await;
                let token = match known.take().filter(|token| token.until > Instant::now()) {
                    Some(token) => token,
                    None => {
                        let url = base
                            .join(token_url)
                            .map_err(|error| Error::invalid("authorization.token_url", error.to_string()))?;
                        fetch(http, url, client_id, client_secret, scope.as_deref()).await?
                    }
                };
                let request = request.bearer_auth(&token.text);
                *known = Some(token);
                request
            }
        })
    }

    /// The next request has a token fetched. False where there was none to forget.
    pub(super) async fn forget(&self) -> bool {
        self.token.lock().await.take().is_some()
    }
}

async fn fetch(http: &reqwest::Client, url: Url, id: &str, secret: &str, scope: Option<&str>) -> Result<Token> {
    let mut form = vec![("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    form.extend(scope.map(|scope| ("scope", scope)));
    let shown = url.to_string();
    let away = |error: reqwest::Error| Error::unavailable(format!("{shown} gave no token: {error}"));
    let response = http.post(url).form(&form).send().await.map_err(away)?;
    let status = response.status();
    if !status.is_success() {
        let message = format!("{shown} gave no token: it answered {status}");
        return Err(if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            Error::unauthenticated(message)
        } else {
            Error::Unavailable { message, retry_after_ms: retry_after_ms(response.headers()) }
        });
    }
    let issued: Issued = response.json().await.map_err(away)?;
    let lifetime = issued.expires_in.map_or(ASSUMED_LIFETIME, Duration::from_secs);
    Ok(Token { text: issued.access_token, until: Instant::now() + lifetime.saturating_sub(RENEWED_BEFORE) })
}
