//! MLflow's REST API: addresses, bodies, and its errors as the contract's.
//!
//! Three traps: "already exists" is a 400 with a code, not a 409; a server refuses `Host` headers that it does not know with
//! a 403 in plain text, although its `/health` answers; and fields that are empty are left out of answers.

use asgard_sdk::types::Unavailable;
use asgard_sdk::url::escape;
use asgard_sdk::{Error, Result, http};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::configuration::Configuration;
use crate::host::Host;
use crate::wire::Failure;

const API: &str = "/api/2.0/mlflow/";
const ARTIFACTS: &str = "/api/2.0/mlflow-artifacts/artifacts";

/// One MLflow server.
pub struct Client<'a> {
    host: &'a dyn Host,
    base: String,
    timeout_ms: u32,
}

impl<'a> Client<'a> {
    /// A client of the configured server.
    ///
    /// # Errors
    /// `invalid-input` when the tracking URI is none that HTTP reaches.
    pub fn new(host: &'a dyn Host, configuration: &Configuration) -> Result<Self> {
        let base = configuration.tracking_uri.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(Error::invalid(
                "configuration.tracking_uri",
                format!("`{base}` is no address of a server: expected `http://…` or `https://…`"),
            ));
        }
        Ok(Self { host, base, timeout_ms: configuration.request_timeout_seconds.saturating_mul(1000) })
    }

    /// The host that the client speaks through.
    pub fn host(&self) -> &'a dyn Host {
        self.host
    }

    /// The server's URL, without a slash at its end.
    pub fn tracking_uri(&self) -> &str {
        &self.base
    }

    /// `GET` of an API path.
    ///
    /// # Errors
    /// The server's own, as the contract's; `unavailable`.
    pub fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T> {
        let answer = self.exchange("GET", &format!("{}{API}{path}{}", self.base, query_string(query)), None)?;
        parse(path, &answer)
    }

    /// `POST` of a JSON body to an API path.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let body = serde_json::to_vec(body).map_err(Error::internal)?;
        let answer = self.exchange("POST", &format!("{}{API}{path}", self.base), Some(body))?;
        parse(path, &answer)
    }

    /// The entries of a folder behind the artifact proxy.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn list_artifacts<T: DeserializeOwned>(&self, folder: &str) -> Result<T> {
        let url = format!("{}{ARTIFACTS}{}", self.base, query_string(&[("path", folder)]));
        parse(ARTIFACTS, &self.exchange("GET", &url, None)?)
    }

    /// The bytes of a file behind the artifact proxy.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn artifact(&self, path: &str) -> Result<Vec<u8>> {
        let escaped: Vec<String> = path.split('/').map(escape).collect();
        self.exchange("GET", &format!("{}{ARTIFACTS}/{}", self.base, escaped.join("/")), None)
    }

    fn exchange(&self, method: &str, url: &str, body: Option<Vec<u8>>) -> Result<Vec<u8>> {
        let headers = match body {
            // Anything else is refused, even with a body that is JSON.
            Some(_) => vec![("content-type".to_owned(), "application/json".to_owned())],
            None => Vec::new(),
        };
        let request = http::Request {
            method: method.to_owned(),
            url: url.to_owned(),
            headers,
            body,
            timeout_ms: self.timeout_ms,
        };
        let response = self.host.send(&request)?;
        if (200..300).contains(&response.status) { Ok(response.body) } else { Err(self.failure(&response)) }
    }

    fn failure(&self, response: &http::Response) -> Error {
        let body = String::from_utf8_lossy(&response.body);
        let failure: Failure = serde_json::from_slice(&response.body).unwrap_or_else(|_| Failure {
            error_code: String::new(),
            message: body.chars().take(300).collect::<String>().trim().to_owned(),
        });
        let message = match failure.message.as_str() {
            "" => format!("MLflow at {} answered with status {}", self.base, response.status),
            words => format!("MLflow at {}: {words}", self.base),
        };
        match (response.status, failure.error_code.as_str()) {
            (_, "RESOURCE_ALREADY_EXISTS") | (409, _) => Error::Conflict(message),
            (_, "RESOURCE_DOES_NOT_EXIST") | (404, _) => Error::NotFound(message),
            (401, _) => Error::Unauthenticated(message),
            (403, _) if body.contains("Invalid Host header") => Error::Forbidden(format!(
                "{message}: start the server with `--allowed-hosts` naming this address, or bind one that it allows"
            )),
            (403, _) => Error::Forbidden(message),
            (429 | 502 | 503 | 504, _) => {
                Error::Unavailable(Unavailable { message, retry_after_ms: response.retry_after_ms() })
            }
            (400, "INVALID_PARAMETER_VALUE" | "BAD_REQUEST" | "INVALID_STATE") => {
                Error::InvalidInput(asgard_sdk::types::InvalidInput { field: None, message })
            }
            (status, _) => Error::internal(format!("{message} (status {status})")),
        }
    }
}

fn parse<T: DeserializeOwned>(path: &str, body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let start: String = String::from_utf8_lossy(body).chars().take(200).collect();
        Error::internal(format!("MLflow's answer to `{path}` is not what was expected ({error}): {start}"))
    })
}

fn query_string(query: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// A text as MLflow's filters quote it.
///
/// # Errors
/// `invalid-input` for the characters that filters cannot quote.
pub fn quoted(text: &str) -> Result<String> {
    if text.contains(['\'', '"', '`', '\\']) {
        return Err(Error::InvalidInput(asgard_sdk::types::InvalidInput {
            field: None,
            message: format!("`{text}` has quotes or a backslash, which MLflow cannot search for"),
        }));
    }
    Ok(format!("'{text}'"))
}
