//! A client of a running host, as the commands beside it use it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// Which host, and how it knows who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The host's address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000", env = "ASGARD_URL")]
    url: String,
    /// The host's token, if it wants one.
    #[arg(long, env = "ASGARD_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// The host's answer that it cannot do something yet, and when to ask it again.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct NotYet {
    detail: String,
    pub(crate) after: Duration,
}

/// A client of one host.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

impl Place {
    pub(crate) fn client(&self) -> Result<Client> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {token}")).context("the token is no header's value")?;
            value.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        if let Ok(user) = HeaderValue::from_str(&user()) {
            headers.insert("Asgard-Author", user);
        }
        let http = reqwest::Client::builder().default_headers(headers).build().context("no client for the host")?;
        Ok(Client { http, base: self.url.trim_end_matches('/').to_owned() })
    }
}

/// Who runs the command, by name where it is known.
fn user() -> String {
    let named = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

impl Client {
    /// GET as JSON.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        self.send(self.http.get(self.url(path)).query(query)).await
    }

    /// GET in another form.
    pub(crate) async fn text(&self, path: &str, media_type: &str) -> Result<String> {
        let response = self.answered(self.http.get(self.url(path)).header(ACCEPT, media_type)).await?;
        response.text().await.context("the host's answer broke off")
    }

    /// A request with a JSON body. An empty answer is null.
    pub(crate) async fn change(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: &impl serde::Serialize,
    ) -> Result<Value> {
        let text = serde_json::to_vec(body).context("the request has no JSON form")?;
        let request = self.http.request(method, self.url(path)).query(query);
        self.send(request.header(CONTENT_TYPE, "application/json").body(text)).await
    }

    /// A request without a body.
    pub(crate) async fn act(&self, method: Method, path: &str, query: &[(&str, String)]) -> Result<Value> {
        self.send(self.http.request(method, self.url(path)).query(query)).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let response = self.answered(request).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let text = response.text().await.context("the host's answer broke off")?;
        serde_json::from_str(&text).with_context(|| format!("{} does not answer as a host does", self.base))
    }

    /// An answer of success; all others are errors in the host's words.
    async fn answered(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => bail!(
                "no host answers at {}: start one with `asgard serve`, or say where it is with `--url`",
                self.base
            ),
            Err(error) => return Err(error).with_context(|| format!("{} did not answer", self.base)),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.text().await.unwrap_or_default();
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        match problem.get("detail").and_then(Value::as_str) {
            Some(detail) if status == StatusCode::UNAUTHORIZED => {
                bail!("{detail}; give it with `--token` or ASGARD_TOKEN")
            }
            Some(detail) => match after.filter(|_| status == StatusCode::SERVICE_UNAVAILABLE) {
                Some(seconds) => Err(NotYet { detail: detail.to_owned(), after: Duration::from_secs(seconds) }.into()),
                None => bail!("{detail}"),
            },
            None => bail!("{} answered {status}: {text}", self.base),
        }
    }
}

/// What the host answered under a key.
pub(crate) fn field<'a>(answer: &'a Value, key: &str) -> &'a Value {
    answer.get(key).unwrap_or(&Value::Null)
}

/// Likewise, of a text.
pub(crate) fn text<'a>(answer: &'a Value, key: &str) -> &'a str {
    field(answer, key).as_str().unwrap_or_default()
}

/// Likewise, of a list.
pub(crate) fn items<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    field(answer, key).as_array().map_or(&[], Vec::as_slice)
}

/// As one part of a path.
pub(crate) fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_part_of_the_path() {
        assert_eq!(segment("a b/../c?d"), "a%20b%2F..%2Fc%3Fd");
        assert_eq!(segment("local"), "local");
    }
}
