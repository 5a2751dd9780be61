//! Exchanges with Trino.
//!
//! A statement that is posted waits: Trino begins it when its first `nextUri` is asked for, and answers the same when the newest
//! one is asked for again. A query whose client stays away for five minutes (`query.client.timeout`) is ended by Trino.

use asgard_sdk::json::{self, Value};
use asgard_sdk::types::Unavailable;
use asgard_sdk::url::escape;
use asgard_sdk::{Error, Result, http};

use super::wire::{Column, Results};
use super::{QueryError, Stats, Type, fault};
use crate::configuration::Configuration;
use crate::host::Host;

/// What Trino shows as the client, and what its resource groups may select by.
const SOURCE: &str = "asgard";

const CATALOG: &str = "x-trino-catalog";

/// One Trino, as whom and in which catalog the binding says.
#[derive(Clone)]
pub struct Client<'a> {
    host: &'a dyn Host,
    base: String,
    headers: Vec<(String, String)>,
    timeout_ms: u32,
}

/// A query as it is after an exchange.
#[derive(Debug, Clone)]
pub struct Answer {
    pub id: String,
    /// Trino's page about it, for people.
    pub info: Option<String>,
    /// Where to go on; none at the end.
    pub next: Option<String>,
    pub error: Option<QueryError>,
    pub update_count: Option<u64>,
    pub stats: Stats,
}

/// The answer to a question of what is next.
#[derive(Debug)]
pub enum Followed {
    Answered(Box<Answer>),
    /// Trino does not know the query: it was restarted, or the query ended long ago.
    Forgotten,
}

/// A whole result.
#[derive(Debug, Default)]
pub struct Rows {
    pub columns: Vec<(String, Type)>,
    pub rows: Vec<Vec<Value>>,
}

impl<'a> Client<'a> {
    /// A client for statements about one task's work.
    pub fn new(host: &'a dyn Host, configuration: &Configuration) -> Self {
        let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![
            named("x-trino-user", &configuration.user),
            named(CATALOG, &configuration.catalog),
            named("x-trino-source", SOURCE),
            named("x-trino-time-zone", "UTC"),
            // Without it, times are told in milliseconds.
            named("x-trino-client-capabilities", "PARAMETRIC_DATETIME"),
            named("x-trino-client-tags", &format!("asgard,environment:{},task:{}", host.environment(), host.task_id())),
            named("x-trino-trace-token", &host.task_id()),
        ];
        if !configuration.session.is_empty() {
            let session = configuration.session.iter().map(|(name, value)| format!("{name}={}", escape(value)));
            headers.push(named("x-trino-session", &session.collect::<Vec<_>>().join(",")));
        }
        Self {
            host,
            base: configuration.url.trim_end_matches('/').to_owned(),
            headers,
            timeout_ms: configuration.request_timeout_seconds.saturating_mul(1000),
        }
    }

    /// The same, in a session of another catalog.
    #[must_use]
    pub fn within(&self, catalog: &str) -> Self {
        let mut client = self.clone();
        for (_, value) in client.headers.iter_mut().filter(|(name, _)| name == CATALOG) {
            catalog.clone_into(value);
        }
        client
    }

    /// The host that the client speaks through.
    pub fn host(&self) -> &'a dyn Host {
        self.host
    }

    /// Hands a statement in. It does not run before [`follow`](Self::follow).
    ///
    /// # Errors
    /// `unavailable` and those of access. An error of the statement comes with the answers that follow.
    pub fn post(&self, sql: &str) -> Result<Answer> {
        let url = format!("{}/v1/statement", self.base);
        let response = self.exchange("POST", &url, Some(sql.as_bytes().to_vec()))?;
        self.read(&response).map(answer)
    }

    /// Asks what is next. May be asked again with the same address.
    ///
    /// # Errors
    /// `unavailable` and those of access.
    pub fn follow(&self, next: &str) -> Result<Followed> {
        let response = self.exchange("GET", next, None)?;
        if matches!(response.status, 404 | 410) {
            return Ok(Followed::Forgotten);
        }
        Ok(Followed::Answered(Box::new(answer(self.read(&response)?))))
    }

    /// Ends a query. Nothing happens if it has ended.
    ///
    /// # Errors
    /// `unavailable` and those of access.
    pub fn end(&self, next: &str) -> Result<()> {
        let response = self.exchange("DELETE", next, None)?;
        if matches!(response.status, 200..=299 | 404 | 410) { Ok(()) } else { Err(self.refused(&response)) }
    }

    /// Runs a short statement to its end.
    ///
    /// # Errors
    /// Trino's own; `unavailable` when it takes longer than a request may.
    pub fn query(&self, sql: &str) -> Result<Rows> {
        self.query_after(sql, 0)
    }

    /// As [`query`](Self::query), of a statement whose first lines are ours and not the model's.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub fn query_after(&self, sql: &str, lines_before: u32) -> Result<Rows> {
        let until = self.host.now_ms().saturating_add(self.timeout_ms.into());
        let url = format!("{}/v1/statement", self.base);
        let mut results = self.read(&self.exchange("POST", &url, Some(sql.as_bytes().to_vec()))?)?;
        let mut all = Rows::default();
        loop {
            if let Some(error) = &results.error {
                return Err(fault::explained(error, lines_before));
            }
            if let (true, Some(columns)) = (all.columns.is_empty(), &results.columns) {
                all.columns = columns.iter().map(column).collect();
            }
            all.rows.extend(results.data.take().into_iter().flatten());
            let Some(next) = &results.next_uri else { return Ok(all) };
            if self.host.now_ms() > until {
                self.end(next)?;
                let seconds = self.timeout_ms / 1000;
                return Err(Error::unavailable(format!(
                    "Trino did not answer within {seconds} s; the query was ended"
                )));
            }
            let response = self.exchange("GET", next, None)?;
            if matches!(response.status, 404 | 410) {
                return Err(Error::unavailable("Trino does not know the query that it was asked: it was restarted"));
            }
            results = self.read(&response)?;
        }
    }

    fn exchange(&self, method: &str, url: &str, body: Option<Vec<u8>>) -> Result<http::Response> {
        let mut headers = self.headers.clone();
        if body.is_some() {
            headers.push(("content-type".to_owned(), "text/plain; charset=utf-8".to_owned()));
        }
        let request = http::Request {
            method: method.to_owned(),
            url: url.to_owned(),
            headers,
            body,
            timeout_ms: self.timeout_ms,
        };
        self.host.send(&request)
    }

    fn read(&self, response: &http::Response) -> Result<Results> {
        if !(200..300).contains(&response.status) {
            return Err(self.refused(response));
        }
        json::from_slice(&response.body).map_err(|error| {
            Error::internal(format!("Trino's answer is not what was expected ({error}): {}", start_of(&response.body)))
        })
    }

    /// A status that is no answer.
    fn refused(&self, response: &http::Response) -> Error {
        let message = format!("Trino at {}: status {}: {}", self.base, response.status, start_of(&response.body));
        match response.status {
            401 => Error::Unauthenticated(format!("{message}: the grant for this host names the credential")),
            403 => Error::Forbidden(message),
            // The protocol's own wish: "try again".
            429 | 502..=504 => Error::Unavailable(Unavailable { message, retry_after_ms: response.retry_after_ms() }),
            _ => Error::Internal(message),
        }
    }
}

fn answer(results: Results) -> Answer {
    Answer {
        id: results.id,
        info: results.info_uri,
        next: results.next_uri,
        error: results.error,
        update_count: results.update_count,
        stats: results.stats,
    }
}

fn column(column: &Column) -> (String, Type) {
    (column.name.clone(), Type::of(&column.type_signature).unwrap_or_else(|| Type::Other(column.written.clone())))
}

fn start_of(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(300).collect::<String>().trim().to_owned()
}

impl Rows {
    /// The only value of a result.
    ///
    /// # Errors
    /// `internal` when there is none.
    pub fn value(&self) -> Result<&Value> {
        self.rows
            .first()
            .and_then(|row| row.first())
            .ok_or_else(|| Error::internal("Trino answered without the row that was asked for"))
    }

    /// The only value, a number from 0.
    ///
    /// # Errors
    /// `internal` when it is none.
    pub fn number(&self) -> Result<u64> {
        self.value()?.as_u64().ok_or_else(|| Error::internal("Trino answered without the number that was asked for"))
    }
}
