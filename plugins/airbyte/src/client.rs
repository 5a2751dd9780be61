//! Requests to Airbyte's two APIs, and their failures as the contract's errors.
//!
//! The host attaches the token, by the grant's credential, and puts secrets into bodies: neither is seen here.

use asgard_sdk::types::{InvalidInput, Unavailable};
use asgard_sdk::{Error, Result, http};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::configuration::Configuration;
use crate::host::Host;

/// Characters kept of an answer that nobody expected.
const SHOWN: usize = 300;

/// One server.
pub struct Client<'a> {
    host: &'a dyn Host,
    public: String,
    own: Result<String>,
    timeout_ms: u32,
}

impl<'a> Client<'a> {
    /// A client of the configured server.
    pub fn new(host: &'a dyn Host, configuration: &Configuration) -> Self {
        Self {
            host,
            public: configuration.public().to_owned(),
            own: configuration.own(),
            timeout_ms: configuration.request_timeout_seconds.saturating_mul(1000),
        }
    }

    /// The host that the client speaks through.
    pub fn host(&self) -> &'a dyn Host {
        self.host
    }

    /// `GET` of the public API; none when it is not there.
    ///
    /// # Errors
    /// The server's own, as the contract's.
    pub fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        match self.get(path) {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `GET` of the public API.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        parse(path, &self.exchange("GET", &format!("{}{path}", self.public), None)?)
    }

    /// `POST` or `PATCH` of a JSON body to the public API.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn send<T: DeserializeOwned>(&self, method: &str, path: &str, body: &impl Serialize) -> Result<T> {
        let body = serde_json::to_vec(body).map_err(Error::internal)?;
        parse(path, &self.exchange(method, &format!("{}{path}", self.public), Some(body))?)
    }

    /// `DELETE` of the public API; not being there is no error.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn delete(&self, path: &str) -> Result<()> {
        match self.exchange("DELETE", &format!("{}{path}", self.public), None) {
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// `POST` to the server's own API.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn ask<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let base = self.own.clone()?;
        let body = serde_json::to_vec(body).map_err(Error::internal)?;
        parse(path, &self.exchange("POST", &format!("{base}{path}"), Some(body))?)
    }

    fn exchange(&self, method: &str, url: &str, body: Option<Vec<u8>>) -> Result<Vec<u8>> {
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        if body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let request = http::Request {
            method: method.to_owned(),
            url: url.to_owned(),
            headers,
            body,
            timeout_ms: self.timeout_ms,
        };
        let response = self.host.send(&request)?;
        if (200..300).contains(&response.status) { Ok(response.body) } else { Err(failure(method, url, &response)) }
    }
}

/// What the server says went wrong. It has several forms of saying so.
fn failure(method: &str, url: &str, response: &http::Response) -> Error {
    let words = serde_json::from_slice::<Value>(&response.body).ok().and_then(|body| said(&body));
    let words = words.unwrap_or_else(|| String::from_utf8_lossy(&response.body).chars().take(SHOWN).collect());
    let path = url.split_once("://").map_or(url, |(_, rest)| rest).split('?').next().unwrap_or(url);
    let message = format!("Airbyte ({method} {path}, status {}): {}", response.status, words.trim());
    match response.status {
        400 | 422 => Error::InvalidInput(InvalidInput { field: None, message }),
        401 => Error::Unauthenticated(message),
        403 => Error::Forbidden(message),
        404 => Error::NotFound(message),
        409 => Error::Conflict(message),
        408 | 429 | 502 | 503 | 504 => {
            Error::Unavailable(Unavailable { message, retry_after_ms: response.retry_after_ms() })
        }
        _ => Error::internal(message),
    }
}

fn said(body: &Value) -> Option<String> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let data = body.pointer("/data/message").and_then(Value::as_str);
    let first = data.or(text("detail")).or(text("message")).or(text("title")).or(text("error"))?;
    let fields: Vec<String> = body
        .get("validationErrors")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|each| {
            let path = each.get("propertyPath").and_then(Value::as_str).unwrap_or_default();
            Some(format!("{path}: {}", each.get("message").and_then(Value::as_str)?))
        })
        .collect();
    Some(if fields.is_empty() { first.to_owned() } else { format!("{first} ({})", fields.join("; ")) })
}

fn parse<T: DeserializeOwned>(path: &str, body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let start: String = String::from_utf8_lossy(body).chars().take(SHOWN).collect();
        Error::internal(format!("Airbyte's answer to `{path}` is not what was expected ({error}): {start}"))
    })
}
