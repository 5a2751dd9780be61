//! Feast's servers: addresses, bodies, and their errors as the contract's.
//!
//! The registry tells errors as `{"status_code", "detail", "error_type"}`, the feature server as a JSON text that holds JSON
//! (`"{\"class\": …, \"message\": …}"`), or holds just words; what FastAPI refuses itself is a list in `detail`.

use asgard_sdk::types::{InvalidInput, Unavailable};
use asgard_sdk::url::escape;
use asgard_sdk::{Error, Result, http};
use serde::Serialize;
use serde_json::Value;

use crate::configuration::Configuration;
use crate::host::Host;

/// Registry and feature server of one project.
pub struct Client<'a> {
    host: &'a dyn Host,
    registry: String,
    feature_server: String,
    project: String,
    timeout_ms: u32,
}

impl<'a> Client<'a> {
    /// A client of the configured servers.
    pub fn new(host: &'a dyn Host, configuration: &Configuration) -> Self {
        Self {
            host,
            registry: configuration.registry.trim_end_matches('/').to_owned(),
            feature_server: configuration.feature_server.trim_end_matches('/').to_owned(),
            project: configuration.project.clone(),
            timeout_ms: configuration.request_timeout_seconds.saturating_mul(1000),
        }
    }

    /// The project's name.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The registry server's URL, without a slash at its end.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The feature server's URL, without a slash at its end.
    pub fn feature_server(&self) -> &str {
        &self.feature_server
    }

    /// Writes an object of the registry, such as of `feature_views`; `body` says which.
    ///
    /// # Errors
    /// The registry's own, as the contract's; `unavailable`.
    pub fn register(&self, kind: &str, mut body: Value) -> Result<()> {
        body["project"] = self.project.as_str().into();
        self.exchange("POST", &format!("{}/api/v1/{kind}", self.registry), Some(&body))?;
        Ok(())
    }

    /// An object of the registry as it is now; none if there is none.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    pub fn registered(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        let url = format!("{}&allow_cache=false", self.url_of(kind, name));
        match self.exchange("GET", &url, None) {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes an object of the registry; nothing happens if there is none.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    pub fn unregister(&self, kind: &str, name: &str) -> Result<()> {
        match self.exchange("DELETE", &self.url_of(kind, name), None) {
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// `GET` of a path of the registry's API.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    pub fn ask_registry(&self, path: &str) -> Result<Value> {
        self.exchange("GET", &format!("{}/api/v1/{path}", self.registry), None)
    }

    /// Whether the feature server is there.
    ///
    /// # Errors
    /// Its own, as the contract's; `unavailable`.
    pub fn feature_server_answers(&self) -> Result<()> {
        self.exchange("GET", &format!("{}/health", self.feature_server), None)?;
        Ok(())
    }

    /// `POST` to a path of the feature server. An empty answer is null.
    ///
    /// # Errors
    /// Its own, as the contract's; `unavailable`.
    pub fn post(&self, path: &str, body: &impl Serialize) -> Result<Value> {
        let body = serde_json::to_value(body).map_err(Error::internal)?;
        self.exchange("POST", &format!("{}/{path}", self.feature_server), Some(&body))
    }

    fn url_of(&self, kind: &str, name: &str) -> String {
        format!("{}/api/v1/{kind}/{}?project={}", self.registry, escape(name), escape(&self.project))
    }

    fn exchange(&self, method: &str, url: &str, body: Option<&Value>) -> Result<Value> {
        let headers = match body {
            Some(_) => vec![("content-type".to_owned(), "application/json".to_owned())],
            None => Vec::new(),
        };
        let request = http::Request {
            method: method.to_owned(),
            url: url.to_owned(),
            headers,
            body: body.map(|body| body.to_string().into_bytes()),
            timeout_ms: self.timeout_ms,
        };
        let response = self.host.send(&request)?;
        if !(200..300).contains(&response.status) {
            return Err(failure(url, &response));
        }
        if response.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&response.body).map_err(|error| {
            let start: String = String::from_utf8_lossy(&response.body).chars().take(200).collect();
            Error::internal(format!("Feast's answer to {method} {url} is no JSON ({error}): {start}"))
        })
    }
}

fn failure(url: &str, response: &http::Response) -> Error {
    // Without what follows the host, which says nothing to people.
    let server =
        url.find("/api/").map_or_else(|| url.rsplit_once('/').map_or(url, |(server, _)| server), |end| &url[..end]);
    let message = format!("Feast at {server}: {}", words(&response.body));
    match response.status {
        401 => Error::Unauthenticated(message),
        403 => Error::Forbidden(message),
        404 => Error::NotFound(message),
        409 => Error::Conflict(message),
        400 | 422 => Error::InvalidInput(InvalidInput { field: None, message }),
        429 | 502 | 503 | 504 => Error::Unavailable(Unavailable { message, retry_after_ms: response.retry_after_ms() }),
        status => Error::internal(format!("{message} (status {status})")),
    }
}

/// What an error says, however deep its words are packed.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let Ok(value) = serde_json::from_str::<Value>(&text) else {
        return text.chars().take(300).collect::<String>().trim().to_owned();
    };
    unpacked(&value)
}

fn unpacked(value: &Value) -> String {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Object(_) | Value::String(_))) => unpacked(&inner),
            // A traceback's frames follow an empty line.
            _ => text.split("\n\n").next().unwrap_or_default().trim().to_owned(),
        },
        Value::Object(fields) => match fields.get("message").or_else(|| fields.get("detail")) {
            Some(inner) => unpacked(inner),
            None => value.to_string(),
        },
        Value::Array(items) => items
            .iter()
            .map(|item| {
                let place: Vec<String> = item["loc"].as_array().into_iter().flatten().map(plain).collect();
                format!("{}: {}", place.join("."), item["msg"].as_str().unwrap_or_default())
            })
            .collect::<Vec<_>>()
            .join("; "),
        other => other.to_string(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn errors_are_told_in_feasts_own_words_however_they_are_packed() {
        let cases = [
            (
                r#""{\"module\": \"feast.errors\", \"class\": \"FeatureViewNotFoundException\", \"message\": \"Feature view nov does not exist in project mlx\"}""#,
                "Feature view nov does not exist in project mlx",
            ),
            (r#""\"Missing join key values for keys: ['k'].\"""#, "Missing join key values for keys: ['k']."),
            (r#""'Feature nof not found in projection v'""#, "'Feature nof not found in projection v'"),
            (
                r#"{"status_code":404,"detail":"Entity none does not exist","error_type":"FeastObjectNotFoundException"}"#,
                "Entity none does not exist",
            ),
            (
                r#"{"status_code":422,"detail":"1 validation error:\n  {'type': 'missing'}\n\n  File \"a.py\", line 3"}"#,
                "1 validation error:\n  {'type': 'missing'}",
            ),
            (
                r#"{"detail":[{"type":"missing","loc":["body","entities"],"msg":"Field required"}]}"#,
                "body.entities: Field required",
            ),
            ("<html>Bad gateway</html>", "<html>Bad gateway</html>"),
        ];
        for (body, expected) in cases {
            assert_eq!(words(body.as_bytes()), expected);
        }
    }
}
