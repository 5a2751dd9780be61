//! The steps of a run: one exchange with Trino each, until the script is at its end.

use asgard_dbt::Prepared;
use asgard_sdk::context::Level;
use asgard_sdk::json::{Value, json};
use asgard_sdk::transform::GoldModel;
use asgard_sdk::{Error, Progress, Result};

use super::state::Wrote;
use super::{Kind, Query, State, Statement, script};
use crate::configuration::Configuration;
use crate::names::Name;
use crate::run::Now;
use crate::target::{self, Done};
use crate::trino::{Answer, Client, Followed, Stats, explained};
use crate::{model, plan};

/// Decides on the script. Nothing is posted yet but questions.
///
/// # Errors
/// Those of the model, and Trino's own.
pub fn start(
    client: &Client<'_>,
    configuration: &Configuration,
    model: &GoldModel,
    prepared: &Prepared,
) -> Result<(State, Now)> {
    let host = client.host();
    let target = Name::from(&model.target);
    model::note_unknown(host, prepared, &[]);
    let new = plan::columns(client, &prepared.sql)?;
    let old = if prepared.incremental { target::columns(client, &target)? } else { Vec::new() };
    let script = script(model, prepared, &new, &old, configuration)?;
    if prepared.sql != model.sql.trim() {
        host.log(Level::Debug, &format!("compiled SQL:\n{}", prepared.sql));
    }
    target::make_namespace(client, &target)?;
    let intent = script.last().map(|statement| statement.what.clone()).unwrap_or_default();
    host.event("Normal", "Planned", &format!("{intent} on Trino"));
    let state = State {
        target,
        script,
        at: 0,
        query: None,
        tried: Vec::new(),
        wrote: None,
        polls: 0,
        started_ms: host.now_ms(),
    };
    Ok((state, running(format!("{intent}: planned"), None, 0)))
}

/// The next exchange.
///
/// # Errors
/// `unavailable` and those of access: the same step is to be taken again.
pub fn advance(client: &Client<'_>, state: &mut State) -> Result<Now> {
    let Some(statement) = state.script.get(state.at).cloned() else { return conclude(client, state) };
    match state.query.clone() {
        None => post(client, state, &statement),
        Some(query) => match client.follow(&query.next)? {
            Followed::Answered(answer) => Ok(answered(client, state, &statement, *answer)),
            Followed::Forgotten => forgotten(client, state, &statement, &query),
        },
    }
}

/// Ends the query that was posted.
///
/// # Errors
/// `unavailable` and those of access.
pub fn cancel(client: &Client<'_>, state: &State) -> Result<()> {
    if let Some(query) = &state.query {
        client.end(&query.next)?;
        client.host().event("Warning", "Cancelled", &format!("query {} was ended", query.id));
    }
    Ok(())
}

fn post(client: &Client<'_>, state: &mut State, statement: &Statement) -> Result<Now> {
    if statement.kind == Kind::Rows {
        for query in state.tried.clone() {
            if target::has_work_of(client, &state.target, &query)? {
                return Ok(found_done(client, state, statement, query));
            }
        }
    }
    let answer = match &statement.session {
        Some(catalog) => client.within(catalog).post(&statement.sql)?,
        None => client.post(&statement.sql)?,
    };
    state.polls = 0;
    let id = answer.id.clone();
    // An answer without a way on is one that is over already.
    let Some(next) = answer.next.clone() else { return Ok(answered(client, state, statement, answer)) };
    state.query = Some(Query { id: id.clone(), next, info: answer.info });
    Ok(running(format!("{}: posted as query {id}", statement.what), None, 0))
}

fn answered(client: &Client<'_>, state: &mut State, statement: &Statement, answer: Answer) -> Now {
    if let Some(error) = &answer.error {
        state.query = None;
        // Where the host tries again, it begins with a look whether this one has committed.
        state.tried.push(answer.id.clone());
        let error = explained(error, statement.lines_before);
        return Now::Failed { error, details: details(&answer.id, answer.info.as_deref(), &answer.stats) };
    }
    let told = details(&answer.id, answer.info.as_deref(), &answer.stats);
    let Some(next) = answer.next else {
        finished(client, state, statement, &answer.id, answer.update_count.unwrap_or(0), &answer.stats);
        return running(format!("{}: done", statement.what), Some(told), 0);
    };
    state.polls = state.polls.saturating_add(1);
    state.query = Some(Query { id: answer.id, next, info: answer.info });
    let stats = &answer.stats;
    let message = format!("{}: {}", statement.what, stats.state.to_lowercase());
    let fraction = stats.progress_percentage.map(|percent| percent / 100.0);
    Now::Running { progress: Progress { message, fraction }, poll_after_ms: state.poll_after_ms(), details: Some(told) }
}

fn finished(client: &Client<'_>, state: &mut State, statement: &Statement, query: &str, rows: u64, stats: &Stats) {
    if statement.kind == Kind::Rows {
        let (rows_read, bytes_read) = (stats.processed_rows, stats.physical_input_bytes);
        state.wrote = Some(Wrote { query: query.to_owned(), rows, rows_read, bytes_read });
    }
    let seconds = std::time::Duration::from_millis(stats.elapsed_time_millis).as_secs_f64();
    client.host().log(Level::Info, &format!("{}: query {query} finished after {seconds:.1} s", statement.what));
    next_statement(state);
}

fn next_statement(state: &mut State) {
    state.at += 1;
    state.query = None;
    state.tried.clear();
    state.polls = 0;
}

fn found_done(client: &Client<'_>, state: &mut State, statement: &Statement, query: String) -> Now {
    let message = format!("{}: query {query} had committed before Trino lost it: it is not repeated", statement.what);
    client.host().event("Warning", "FoundCommitted", &message);
    client.host().log(Level::Warn, &message);
    state.wrote = Some(Wrote { query, rows: 0, rows_read: 0, bytes_read: 0 });
    next_statement(state);
    running(message, None, 0)
}

fn forgotten(client: &Client<'_>, state: &mut State, statement: &Statement, query: &Query) -> Result<Now> {
    if statement.kind == Kind::Rows && target::has_work_of(client, &state.target, &query.id)? {
        return Ok(found_done(client, state, statement, query.id.clone()));
    }
    let error = Error::Conflict(format!(
        "Trino no longer knows query {} ({}): it was restarted, or nobody asked for the query for too long. {} is as it was: run the model again",
        query.id, statement.what, state.target
    ));
    Ok(Now::Failed { error, details: details(&query.id, query.info.as_deref(), &Stats::default()) })
}

fn conclude(client: &Client<'_>, state: &State) -> Result<Now> {
    let wrote = state.wrote.clone();
    let done = wrote.map_or_else(Done::default, |wrote| Done {
        query: Some(wrote.query),
        rows: wrote.rows,
        rows_read: wrote.rows_read,
        bytes_read: wrote.bytes_read,
    });
    let outcome = target::outcome(client, &state.target, &done)?;
    let elapsed = client.host().now_ms().saturating_sub(state.started_ms);
    let details = json!({ "engine": "trino", "executor_count": 0, "full_status": {
        "state": "COMPLETED", "query_id": done.query, "elapsed_ms": elapsed, "snapshot": outcome.snapshot,
        "rows_written": outcome.rows_written, "bytes_written": outcome.bytes_written,
        "rows_read": outcome.rows_read, "bytes_read": outcome.bytes_read,
    }});
    Ok(Now::Succeeded { outcome, details })
}

fn running(message: String, details: Option<Value>, poll_after_ms: u32) -> Now {
    Now::Running { progress: Progress { message, fraction: None }, poll_after_ms, details }
}

fn details(query: &str, info: Option<&str>, stats: &Stats) -> Value {
    json!({ "engine": "trino", "ui": info, "full_status": {
        "query_id": query, "state": stats.state, "completed_splits": stats.completed_splits, "total_splits": stats.total_splits,
        "rows_read": stats.processed_rows, "bytes_read": stats.physical_input_bytes,
        "bytes_written": stats.physical_written_bytes, "elapsed_ms": stats.elapsed_time_millis,
    }})
}
