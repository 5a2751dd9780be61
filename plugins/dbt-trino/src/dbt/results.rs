//! What dbt says of its run: `run_results.json` and `manifest.json`, and its errors as the contract's.

use asgard_sdk::Error;
use asgard_sdk::json;
use serde::{Deserialize, Serialize};

use super::{End, How};
use crate::names::Name;
use crate::trino::{QueryError, explained};

/// One model's run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// `success`, `error`, `skipped`.
    pub status: String,
    pub message: Option<String>,
    /// Trino's id of the statement that made the rows.
    pub query: Option<String>,
    pub rows: Option<u64>,
    pub compiled: Option<String>,
    pub seconds: f64,
}

#[derive(Deserialize)]
struct RunResults {
    results: Vec<RunResult>,
}

#[derive(Deserialize)]
struct RunResult {
    unique_id: String,
    status: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    execution_time: f64,
    #[serde(default)]
    adapter_response: AdapterResponse,
    #[serde(default)]
    compiled_code: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AdapterResponse {
    query_id: Option<String>,
    rows_affected: Option<i64>,
}

#[derive(Deserialize)]
struct Manifest {
    nodes: std::collections::BTreeMap<String, Node>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    compiled_code: Option<String>,
}

/// The model's run; none where dbt has not come to it.
pub fn read(run_results: &[u8], manifest: &[u8], model: &str) -> Option<Results> {
    let run: RunResults = json::from_slice(run_results).ok()?;
    let result = run.results.into_iter().find(|result| result.unique_id.ends_with(&format!(".{model}")))?;
    let compiled = result.compiled_code.or_else(|| {
        let mut manifest: Manifest = json::from_slice(manifest).ok()?;
        manifest.nodes.remove(&result.unique_id)?.compiled_code
    });
    Some(Results {
        status: result.status,
        message: result.message,
        query: result.adapter_response.query_id.filter(|id| !id.is_empty()),
        rows: result.adapter_response.rows_affected.and_then(|rows| u64::try_from(rows).ok()),
        compiled,
        seconds: result.execution_time,
    })
}

/// Why a run failed. `left` says in words what became of the target.
pub fn failure(end: &End, target: &Name, left: &str) -> Error {
    let said = end.results.as_ref().and_then(|results| results.message.as_deref());
    match (&end.how, said) {
        (How::Timeout, _) => Error::invalid(
            "configuration.timeout_seconds",
            format!("dbt ran longer than `timeout_seconds` and was ended, with its query; {left}"),
        ),
        (How::Killed(why), _) => {
            Error::Conflict(format!("dbt did not come to its end: {why}; {left}{}", after(&end.last_words)))
        }
        (How::Exited(_), Some(message)) => match trino_error(message) {
            Some(error) => match explained(&error, 0) {
                // dbt has had its tries, and its process is gone: another begins with another run.
                Error::Unavailable(away) => Error::Conflict(format!("{}; {left}", away.message)),
                other => other,
            },
            None if message.contains("Compilation Error") => Error::invalid("sql_query", tidy(message)),
            None => Error::Conflict(format!("dbt: {}; {left}", tidy(message))),
        },
        (How::Exited(0), None) => Error::Conflict(format!(
            "dbt ended, and what it says of the model cannot be read; {left}{}",
            after(&end.last_words)
        )),
        (How::Exited(status), None) => Error::Internal(format!(
            "dbt ended with status {status} before it ran the model of {target}; {left}{}",
            after(&end.last_words)
        )),
    }
}

/// Whether dbt ended with an error of Trino's own.
pub(super) fn is_told_by_trino(end: &End) -> bool {
    let message = end.results.as_ref().and_then(|results| results.message.as_deref());
    matches!(end.how, How::Exited(_)) && message.is_some_and(|message| trino_error(message).is_some())
}

fn after(last_words: &str) -> String {
    if last_words.is_empty() { String::new() } else { format!(". Its last lines:\n{last_words}") }
}

/// Without the file names of a project that is gone by now.
fn tidy(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let kept: Vec<&str> =
        lines.filter(|line| !line.starts_with("compiled code at ") && !line.starts_with("> in macro")).collect();
    kept.join(" ")
}

/// Trino's error inside of dbt's message, as its Python client prints it:
/// `TrinoUserError(type=USER_ERROR, name=COLUMN_NOT_FOUND, message="line 3:3: …", query_id=…)`.
fn trino_error(message: &str) -> Option<QueryError> {
    let field = |name: &str| {
        let (_, rest) = message.split_once(&format!("{name}="))?;
        rest.split([',', ')']).next().map(str::to_owned)
    };
    let (_, rest) = message.split_once("message=")?;
    let (words, _) = rest.rsplit_once(", query_id=").unwrap_or((rest, ""));
    // Python quotes with whichever mark the text does not have.
    let words = words.trim().trim_start_matches(['"', '\'']).trim_end_matches(['"', '\'']).replace("\\'", "'");
    Some(QueryError {
        message: without_place(&words).to_owned(),
        error_name: field("name")?,
        error_type: field("type")?,
        error_location: None,
        failure_info: None,
    })
}

/// Places are those of dbt's statement around the model, so they would mislead.
fn without_place(message: &str) -> &str {
    let Some(rest) = message.strip_prefix("line ") else { return message };
    match rest.split_once(": ") {
        Some((place, words)) if place.chars().all(|each| each.is_ascii_digit() || each == ':') => words,
        _ => message,
    }
}
