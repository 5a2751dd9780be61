//! A client of the REST API that shows what it asks as `curl` lines, ready to be pasted.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::Agent;

/// Receives each call before it is made.
pub type Show = Box<dyn Fn(&str) + Send + Sync>;

/// A client of one host.
pub struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
    show: Option<Show>,
}

/// An answer of any status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; null when it is empty or no JSON.
    pub body: Value,
    /// The headers.
    pub headers: ureq::http::HeaderMap,
}

impl Answer {
    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Client {
    /// A client of the host at `base`, such as `http://127.0.0.1:8000`.
    pub fn new(base: impl Into<String>) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(180)))
            .build()
            .into();
        Self { agent, base: base.into(), token: None, show: None }
    }

    /// Logs in with a token, at the host alone.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(format!("Bearer {token}"));
        self
    }

    /// Shows every call as a `curl` line.
    #[must_use]
    pub fn showing(mut self, show: Show) -> Self {
        self.show = Some(show);
        self
    }

    /// The host's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request; any status is an answer.
    ///
    /// # Errors
    /// When the host does not answer.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Result<Answer> {
        let elsewhere = path.starts_with("http://");
        let url = if elsewhere { path.to_owned() } else { format!("{}{path}", self.base) };
        let text = body.map(Value::to_string);
        if let Some(show) = &self.show {
            show(&curl(method, &url, text.as_deref(), headers));
        }
        let mut request = ureq::http::Request::builder().method(method).uri(&url);
        if let Some(token) = self.token.as_ref().filter(|_| !elsewhere) {
            request = request.header("Authorization", token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match text {
            Some(text) => {
                self.agent.run(request.header("Content-Type", "application/json").body(text).context("bad request")?)
            }
            None => self.agent.run(request.body(()).context("bad request")?),
        };
        let mut response = response.with_context(|| format!("{method} {url} was not answered"))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
        Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null), headers })
    }

    /// GET, expecting success.
    ///
    /// # Errors
    /// The problem's detail when the answer is none.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.expect("GET", path, None)
    }

    /// GET that is not shown: one more look at something that was shown before.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn look(&self, path: &str) -> Result<Value> {
        let quiet = Self { agent: self.agent.clone(), base: self.base.clone(), token: self.token.clone(), show: None };
        quiet.get(path)
    }

    /// POST, expecting success.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.expect("POST", path, Some(body))
    }

    fn expect(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.send(method, path, body, &[])?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let detail = answer.body.get("detail").and_then(Value::as_str).map_or(answer.body.to_string(), str::to_owned);
        bail!("{method} {path} was answered with {}: {detail}", answer.status)
    }
}

fn curl(method: &str, url: &str, body: Option<&str>, headers: &[(&str, &str)]) -> String {
    let mut line = "curl -s".to_owned();
    if method != "GET" && !(method == "POST" && body.is_some()) {
        line.push_str(&format!(" -X {method}"));
    }
    line.push_str(&format!(" {url}"));
    for (name, value) in headers {
        line.push_str(&format!(" -H '{name}: {value}'"));
    }
    if let Some(body) = body {
        let quoted = body.replace('\'', r"'\''");
        line.push_str(&format!(" -H 'Content-Type: application/json' -d '{quoted}'"));
    }
    line
}
