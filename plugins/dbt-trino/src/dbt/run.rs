//! The steps of a run of dbt: begun, followed to its end, and concluded from what it left and from what Trino has.

use asgard_dbt::Prepared;
use asgard_sdk::context::Level;
use asgard_sdk::json::{Value, json};
use asgard_sdk::transform::{GoldModel, IncrementalStrategy, Materialization};
use asgard_sdk::{Progress, Result};

use super::project::mark;
use super::{End, How, Place, State, failure, job, process, project, results};
use crate::configuration::Configuration;
use crate::names::{Name, text};
use crate::run::Now;
use crate::target::{self, Done};
use crate::trino::Client;

/// Lines of last words.
const TAIL_LINES: usize = 15;
/// Characters kept of a line of the log.
const LINE: usize = 2000;

/// Writes the project and has dbt begin, or makes a Job that is to begin.
///
/// # Errors
/// Those of process or cluster, and Trino's own.
pub fn start(
    client: &Client<'_>,
    configuration: &Configuration,
    model: &GoldModel,
    prepared: &Prepared,
) -> Result<(State, Now)> {
    let (host, target) = (client.host(), Name::from(&model.target));
    target::make_namespace(client, &target)?;
    if prepared.replaces_view {
        // dbt would, too, but not where it replaces a table in one statement.
        client.query(&format!("DROP VIEW IF EXISTS {}", target.sql()))?;
        host.log(Level::Info, &format!("{target} was a view and becomes a table"));
    }
    let base = target::snapshot(client, &target)?;
    let task = host.task_id();
    let files = project::files(configuration, model, prepared, &host.environment(), &task)?;
    let place = match &configuration.job {
        None => {
            process::start(host, configuration, &model.name, files)?;
            Place::Process
        }
        Some(job) => job::make(host, configuration, job, &model.name, files)?,
    };
    let what = intent(&target, prepared);
    host.event("Normal", "Planned", &format!("{what}, by dbt {}", place.words()));
    let state =
        State { target, model: model.name.clone(), what, place, base, offset: 0, started_ms: host.now_ms(), end: None };
    let message = format!("{}: dbt starts", state.what);
    let details = details(&state, None);
    Ok((state, running(message, Some(details), 0)))
}

/// Follows dbt, or concludes.
///
/// # Errors
/// Those of process or cluster, and Trino's own.
pub fn advance(client: &Client<'_>, configuration: &Configuration, state: &mut State) -> Result<Now> {
    if let Some(end) = state.end.clone() {
        return conclude(client, state, &end);
    }
    let host = client.host();
    let model = state.model.clone();
    let (how, said, results) = match &mut state.place {
        Place::Process => {
            // The status first: what was written before the end is then in the output that is read after.
            let how = process::ended(host)?;
            let (said, offset) = process::output(host, state.offset, how.is_some())?;
            state.offset = offset;
            let results = how.is_some().then(|| process::results(host, &model)).flatten();
            (how, said, results)
        }
        Place::Job { namespace, name, awake } => {
            if !*awake {
                job::wake(host, namespace, name)?;
                *awake = true;
                let message = format!("{}: the Job {namespace}/{name} was started", state.what);
                return Ok(running(message, Some(details(state, None)), 500));
            }
            let seen = job::look(host, namespace, name, &model, configuration.timeout_seconds)?;
            let said =
                seen.output.get(usize::try_from(state.offset).unwrap_or(usize::MAX)..).unwrap_or_default().to_owned();
            state.offset = seen.output.len() as u64;
            if let (None, Some(waits)) = (&seen.how, seen.waits) {
                return Ok(running(format!("{}: {waits}", state.what), Some(details(state, None)), 2000));
            }
            (seen.how, said, seen.results)
        }
    };
    let lines: Vec<&str> = said.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    for line in &lines {
        host.log(Level::Info, line.char_indices().nth(LINE).map_or(line, |(end, _)| &line[..end]));
    }
    let Some(how) = how else {
        let last = lines.last().map_or_else(|| format!("{}: dbt runs", state.what), |line| (*line).to_owned());
        let elapsed = host.now_ms().saturating_sub(state.started_ms);
        let details = details(state, None);
        return Ok(running(last, Some(details), poll_after_ms(elapsed)));
    };
    let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
    state.end = Some(End { how, results, last_words: tail.join("\n") });
    Ok(running(format!("{}: dbt has ended", state.what), Some(details(state, None)), 0))
}

/// Ends dbt and its queries.
///
/// # Errors
/// Those of process or cluster.
pub fn cancel(client: &Client<'_>, state: &State) -> Result<()> {
    match &state.place {
        Place::Process => process::remove(client.host())?,
        Place::Job { namespace, name, .. } => job::delete(client.host(), namespace, name)?,
    }
    end_queries(client);
    client.host().event("Warning", "Cancelled", "dbt was ended, with its query");
    Ok(())
}

fn conclude(client: &Client<'_>, state: &State, end: &End) -> Result<Now> {
    let host = client.host();
    let succeeded = end.how == How::Exited(0) && end.results.as_ref().is_some_and(|found| found.status == "success");
    let details = details(state, Some(end));
    let now = if succeeded {
        let results = end.results.as_ref();
        let done = Done {
            query: results.and_then(|found| found.query.clone()),
            rows: results.and_then(|found| found.rows).unwrap_or(0),
            ..Done::default()
        };
        Now::Succeeded { outcome: target::outcome(client, &state.target, &done)?, details }
    } else {
        // A query whose failure Trino told is over. Of no other is that known: dbt gives up by itself when Trino's answers do not reach it.
        if !results::is_told_by_trino(end) {
            end_queries(client);
        }
        Now::Failed { error: failure(end, &state.target, &left(client, state)?), details }
    };
    if state.place == Place::Process
        && let Err(error) = process::remove(host)
    {
        host.log(Level::Warn, &format!("dbt's folder stays: {error:?}"));
    }
    Ok(now)
}

/// What became of the target. dbt may have been ended after its statement was committed.
fn left(client: &Client<'_>, state: &State) -> Result<String> {
    let now = target::snapshot(client, &state.target)?;
    Ok(if now == state.base {
        format!("{} is as it was", state.target)
    } else {
        format!("{} has changed since it began: look at its rows before you run an append again", state.target)
    })
}

/// A query goes on, and commits, when its dbt is gone. Whether this may be asked and done is Trino's to say: a run is not held up by it.
fn end_queries(client: &Client<'_>) {
    let host = client.host();
    let found = client.query(&format!(
        "SELECT query_id FROM system.runtime.queries
         WHERE source LIKE 'dbt-trino%' AND strpos(query, {}) > 0 AND state NOT IN ('FINISHED', 'FAILED')",
        text(&mark(&host.task_id()))
    ));
    let ended = found.and_then(|found| {
        for id in found.rows.iter().filter_map(|row| row.first()?.as_str()) {
            client.query(&format!(
                "CALL system.runtime.kill_query(query_id => {}, message => 'its dbt was ended')",
                text(id)
            ))?;
            host.log(Level::Info, &format!("query {id} was ended"));
        }
        Ok(())
    });
    if let Err(error) = ended {
        host.log(Level::Warn, &format!("queries of dbt may go on in Trino: {error:?}"));
    }
}

fn intent(target: &Name, prepared: &Prepared) -> String {
    let settings = &prepared.settings;
    match (settings.materialization, settings.strategy) {
        (Materialization::View, _) => format!("view {target}"),
        (Materialization::Table, _) => format!("replace {target}"),
        (Materialization::Incremental, _) if !prepared.incremental => format!("make {target}"),
        (Materialization::Incremental, IncrementalStrategy::Append) => format!("append to {target}"),
        (Materialization::Incremental, IncrementalStrategy::Merge) => format!("merge into {target}"),
        (Materialization::Incremental, IncrementalStrategy::DeleteInsert) => format!("delete and insert in {target}"),
    }
}

/// dbt needs some seconds to start; a look at one that runs for minutes may be a second late.
fn poll_after_ms(elapsed_ms: u64) -> u32 {
    match elapsed_ms {
        0..30_000 => 250,
        30_000..120_000 => 500,
        _ => 2000,
    }
}

fn running(message: String, details: Option<Value>, poll_after_ms: u32) -> Now {
    Now::Running { progress: Progress { message, fraction: None }, poll_after_ms, details }
}

fn details(state: &State, end: Option<&End>) -> Value {
    let results = end.and_then(|end| end.results.as_ref());
    let job = match &state.place {
        Place::Process => Value::Null,
        Place::Job { namespace, name, .. } => json!(format!("{namespace}/{name}")),
    };
    let status = results.map_or("running", |found| found.status.as_str());
    json!({ "engine": "dbt-trino", "executor_count": 0, "full_status": {
        "state": if end.is_none() { "RUNNING" } else { "ENDED" }, "status": status, "job": job,
        "query_id": results.and_then(|found| found.query.clone()),
        "rows_affected": results.and_then(|found| found.rows),
        "execution_seconds": results.map(|found| found.seconds),
        "compiled_sql": results.and_then(|found| found.compiled.clone()),
    }})
}

impl Place {
    fn words(&self) -> String {
        match self {
            Self::Process => "as a process".to_owned(),
            Self::Job { namespace, name, .. } => format!("as the Job {namespace}/{name}"),
        }
    }
}
