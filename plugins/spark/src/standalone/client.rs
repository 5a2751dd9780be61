//! A standalone master's REST server, its web page, and the workers' pages.
//!
//! Traps: an identifier that the server does not know, and a driver that failed, are both answered with 200; an action that it
//! does not know with 500 in HTML. Where a driver's output is only the master's page tells, and the output itself only the
//! worker's.

use std::collections::BTreeMap;

use asgard_sdk::types::Unavailable;
use asgard_sdk::{Error, Result, http};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::configuration::Configuration;
use crate::host::Host;

/// Read of one output in one step; a worker gives no more at once.
const CHUNK: u64 = 1 << 20;

/// What is submitted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    pub action: &'static str,
    pub client_spark_version: String,
    pub app_resource: String,
    pub main_class: &'static str,
    pub app_args: Vec<String>,
    pub spark_properties: BTreeMap<String, String>,
    pub environment_variables: BTreeMap<String, String>,
}

/// The server's answer to all that it is asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Answer {
    pub success: bool,
    pub message: Option<String>,
    pub submission_id: Option<String>,
    pub driver_state: Option<String>,
    pub server_spark_version: Option<String>,
    pub worker_id: Option<String>,
    pub worker_host_port: Option<String>,
}

/// The master's page as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Cluster {
    pub workers: Vec<Worker>,
    pub activeapps: Vec<Application>,
    pub status: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Worker {
    pub id: String,
    pub webuiaddress: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Application {
    pub name: String,
    /// Granted to it.
    pub cores: u64,
}

/// A part of a driver's output.
pub struct Part {
    pub text: Vec<u8>,
    /// Where it starts.
    pub start: u64,
}

/// One cluster.
pub struct Client<'a> {
    host: &'a dyn Host,
    rest: &'a str,
    page: &'a str,
    timeout_ms: u32,
}

impl<'a> Client<'a> {
    /// The configured cluster.
    ///
    /// # Errors
    /// `invalid-input` with the field that is missing or no address.
    pub fn new(host: &'a dyn Host, configuration: &'a Configuration) -> Result<Self> {
        let address = |field: &str, value: &'a Option<String>| {
            let address = configuration.needed(field, value)?.trim_end_matches('/');
            if address.starts_with("http://") || address.starts_with("https://") {
                return Ok(address);
            }
            let message = format!("`{address}` is no address of a server: expected `http://…` or `https://…`");
            Err(Error::invalid(format!("configuration.{field}"), message))
        };
        Ok(Self {
            host,
            rest: address("url", &configuration.url)?,
            page: address("master_ui", &configuration.master_ui)?,
            timeout_ms: configuration.request_timeout_seconds.saturating_mul(1000),
        })
    }

    /// Submits a driver; answers with its identifier.
    ///
    /// # Errors
    /// `unavailable`; `internal` when the master refuses it.
    pub fn create(&self, submission: &Submission) -> Result<String> {
        let answer =
            self.submissions("POST", "create", Some(serde_json::to_vec(submission).map_err(Error::internal)?))?;
        match answer.submission_id {
            Some(id) if answer.success => Ok(id),
            _ => Err(refused("the submission", &answer)),
        }
    }

    /// Where a driver stands; none when the master does not know it.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn status(&self, id: &str) -> Result<Option<Answer>> {
        let answer = self.submissions("GET", &format!("status/{id}"), None)?;
        Ok(answer.success.then_some(answer))
    }

    /// Ends a driver; nothing happens when it has ended.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn kill(&self, id: &str) -> Result<()> {
        self.submissions("POST", &format!("kill/{id}"), Some(Vec::new())).map(drop)
    }

    /// The master's page.
    ///
    /// # Errors
    /// `unavailable`; `forbidden` without the grant.
    pub fn cluster(&self) -> Result<Cluster> {
        let body = self.exchange("GET", &format!("{}/json/", self.page), None)?;
        parse("the master's page", &body)
    }

    /// A driver's output from `offset`, on its worker's page.
    ///
    /// # Errors
    /// As [`cluster`](Self::cluster).
    pub fn output(&self, worker: &str, driver: &str, stream: &str, offset: u64) -> Result<Part> {
        let worker = worker.trim_end_matches('/');
        let url = format!("{worker}/log/?driverId={driver}&logType={stream}&offset={offset}&byteLength={CHUNK}");
        let body = self.exchange("GET", &url, None)?;
        part(&body).ok_or_else(|| Error::internal(format!("the page {url} is not what was expected: {}", start(&body))))
    }

    fn submissions(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Result<Answer> {
        let body = self.exchange(method, &format!("{}/v1/submissions/{path}", self.rest), body)?;
        parse("the master's answer", &body)
    }

    fn exchange(&self, method: &str, url: &str, body: Option<Vec<u8>>) -> Result<Vec<u8>> {
        let headers = match body {
            Some(_) => vec![("content-type".to_owned(), "application/json;charset=UTF-8".to_owned())],
            None => Vec::new(),
        };
        let (method, url) = (method.to_owned(), url.to_owned());
        let response =
            self.host.send(&http::Request { method, url: url.clone(), headers, body, timeout_ms: self.timeout_ms })?;
        match response.status {
            200..300 => Ok(response.body),
            401 => Err(Error::Unauthenticated(format!("{url} does not accept the credentials"))),
            403 => Err(Error::Forbidden(format!("{url} does not allow it: {}", start(&response.body)))),
            429 | 502..=504 => Err(Error::Unavailable(Unavailable {
                message: format!("{url} answered with {}", response.status),
                retry_after_ms: response.retry_after_ms(),
            })),
            // Its own words are JSON also with other statuses.
            status => match serde_json::from_slice::<Value>(&response.body) {
                Ok(Value::Object(answer)) if answer.contains_key("success") => Ok(response.body),
                _ => Err(Error::internal(format!("{url} answered with {status}: {}", start(&response.body)))),
            },
        }
    }
}

fn refused(what: &str, answer: &Answer) -> Error {
    let message = answer.message.as_deref().unwrap_or("without a word");
    Error::internal(format!("the Spark master refused {what}: {message}"))
}

fn parse<T: for<'de> Deserialize<'de>>(what: &str, body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|error| Error::internal(format!("{what} is not what was expected ({error}): {}", start(body))))
}

/// Reads `==== Bytes 0-26 of 26 of …/stdout ====`, a line, and the text after it.
fn part(body: &[u8]) -> Option<Part> {
    let end = body.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(body.get(..end)?).ok()?;
    let (first, _) = head.strip_prefix("==== Bytes ")?.split_once('-')?;
    Some(Part { text: body.get(end + 1..)?.to_vec(), start: first.parse().ok()? })
}

fn start(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(300).collect::<String>().trim().to_owned()
}
