//! The steps of a run: submit, poll until it has ended. Everything is in the state; the key is the same for every
//! submission of a task, so that the engine recognises its own commit and never writes twice.

use asgard_dbt::Existing;
use asgard_sdk::context::Level;
use asgard_sdk::json::{self, Map, Value, json};
use asgard_sdk::transform::{Compute, GoldModel, Outcome, QueryPlan, Request, Status, Step};
use asgard_sdk::{Error, Progress, Result, Running, TableName, context, decode, encode, lakehouse};
use serde::Deserialize;

use crate::gold;
use crate::silver;
use crate::work::{Mode, Target, Work};

/// One statement per task.
const KEY: &str = "run";

/// The binding's configuration.
#[derive(Debug, Default, Deserialize)]
struct Configuration {
    #[serde(default)]
    vars: Map<String, Value>,
}

/// The columns of the result, found without running it.
///
/// # Errors
/// `invalid-input` with the field, and with line and column where the statement is wrong.
pub fn plan(request: Request) -> Result<QueryPlan> {
    let work = match request {
        Request::Silver(run) => silver::prepare(run),
        Request::Gold(model) => prepared(&model)?.work,
    };
    let planned = lakehouse::plan(&work.statement()).map_err(|error| work.explained(error))?;
    work.check_key(&planned.columns)?;
    Ok(QueryPlan { columns: planned.columns, tables: planned.tables, compiled_sql: work.sql })
}

/// Submits the request's statement.
///
/// # Errors
/// As [`plan`].
pub fn start(request: Request) -> Result<Step> {
    let work = match request {
        Request::Silver(run) => {
            log_compute(&run.compute);
            silver::prepare(run)
        }
        Request::Gold(model) => start_gold(&model)?,
    };
    submit(&work)?;
    context::event("Normal", "Submitted", &format!("{} on the embedded engine", intent(&work)));
    context::log(Level::Info, &format!("submitted: {}", intent(&work)));
    running(work, &Progress { message: "submitted".to_owned(), fraction: None })
}

fn start_gold(model: &GoldModel) -> Result<Work> {
    let prepared = prepared(model)?;
    for note in &prepared.notes {
        context::log(Level::Warn, note);
    }
    if prepared.work.sql != model.sql.trim() {
        context::log(Level::Debug, &format!("compiled SQL:\n{}", prepared.work.sql));
    }
    if prepared.replaces_view {
        context::log(Level::Info, &format!("{} was a view and becomes a table", prepared.work.target.name()));
        lakehouse::drop(&model.target)?;
    }
    Ok(prepared.work)
}

/// Asks how far it is, and submits again what the host has forgotten.
///
/// # Errors
/// Those of the host.
pub fn advance(state: &[u8]) -> Result<Step> {
    let mut work: Work = decode(state)?;
    match lakehouse::poll(KEY) {
        Ok(lakehouse::Status::Running(now)) => {
            work.polls += 1;
            running(work, &now.progress)
        }
        Ok(lakehouse::Status::Succeeded(written)) => succeeded(&work, written),
        Ok(lakehouse::Status::Failed(error)) => failed(&work, error),
        // The host restarted, another host took over, or it failed for now and that was told.
        Err(Error::NotFound(_)) => {
            submit(&work)?;
            context::event("Warning", "Resubmitted", "the host did not know the statement any more");
            context::log(Level::Warn, "the host did not know the statement any more: submitted again");
            work.polls = 0;
            running(work, &Progress { message: "submitted again".to_owned(), fraction: None })
        }
        Err(error) => Err(error),
    }
}

/// Ends the statement; the target is left as it was.
///
/// # Errors
/// Those of the host.
pub fn cancel(state: &[u8]) -> Result<()> {
    let work: Work = decode(state)?;
    lakehouse::cancel(KEY)?;
    context::event("Warning", "Cancelled", &format!("{} is left as it was", work.target.name()));
    Ok(())
}

/// Drops a model's table or view.
///
/// # Errors
/// Those of the host.
pub fn drop(target: &TableName) -> Result<()> {
    lakehouse::drop(target)
}

fn prepared(model: &GoldModel) -> Result<gold::Prepared> {
    let configuration: Configuration = asgard_sdk::configuration()?;
    gold::prepare(model, existing(&model.target)?, &configuration.vars, &context::environment())
}

fn existing(target: &TableName) -> Result<Existing> {
    match lakehouse::describe(target) {
        Ok(table) if table.view_sql.is_some() => Ok(Existing::View),
        Ok(_) => Ok(Existing::Table),
        Err(Error::NotFound(_)) => Ok(Existing::Nothing),
        Err(error) => Err(error),
    }
}

fn submit(work: &Work) -> Result<()> {
    lakehouse::submit(KEY, &work.statement(), &work.output()).map_err(|error| work.explained(error))
}

fn running(work: Work, progress: &Progress) -> Result<Step> {
    let status = Status::Running(Running { progress: progress.clone(), poll_after_ms: work.poll_after_ms() });
    Ok(Step { state: encode(&work)?, status, details: details("RUNNING", Value::Null) })
}

fn succeeded(work: &Work, written: lakehouse::Written) -> Result<Step> {
    let message = result(work, &written);
    context::event("Normal", "Completed", &message);
    context::log(Level::Info, &message);
    let told = json!({
        "rows_written": written.rows,
        "rows_read": written.rows_read,
        "bytes_written": written.bytes,
        "bytes_read": written.bytes_read,
        "snapshot": written.snapshot,
    });
    let outcome = Outcome {
        rows_written: written.rows,
        bytes_written: written.bytes,
        rows_read: written.rows_read,
        bytes_read: written.bytes_read,
        total_rows: written.total_rows,
        snapshot: written.snapshot,
        location: written.location,
    };
    Ok(Step { state: encode(work)?, status: Status::Succeeded(outcome), details: details("COMPLETED", told) })
}

fn failed(work: &Work, error: Error) -> Result<Step> {
    let error = work.explained(error);
    let message = format!("{} is left as it was: {}", work.target.name(), error.words());
    context::event("Warning", "Failed", &message);
    context::log(Level::Error, &message);
    Ok(Step { state: encode(work)?, status: Status::Failed(error), details: details("FAILED", Value::Null) })
}

/// For the API's detail fields: an engine without driver, executors and images.
fn details(state: &str, result: Value) -> String {
    let mut status = Map::new();
    status.insert("state".to_owned(), json!(state));
    if let Value::Object(result) = result {
        status.extend(result);
    }
    json::to_string(&json!({ "engine": "datafusion", "executor_count": 0, "full_status": status }))
        .unwrap_or_else(|_| "{}".to_owned())
}

fn log_compute(compute: &Compute) {
    context::log(
        Level::Debug,
        &format!(
            "the embedded engine uses this host's cores and memory: {} executors × {} cores, {}, driver {} cores, {} are not used",
            compute.executor_instances,
            compute.executor_cores,
            compute.executor_memory,
            compute.driver_cores,
            compute.driver_memory
        ),
    );
}

fn intent(work: &Work) -> String {
    let name = work.target.name();
    match &work.target {
        Target::View(_) => format!("view {name}"),
        Target::Table { mode: Mode::Replace, .. } => format!("replace {name}"),
        Target::Table { mode: Mode::Append, .. } => format!("append to {name}"),
        Target::Table { mode: Mode::Merge, key, .. } => format!("merge into {name} by {}", key.join(", ")),
        Target::Table { mode: Mode::DeleteInsert, key, .. } => {
            format!("delete and insert in {name} by {}", key.join(", "))
        }
    }
}

fn result(work: &Work, written: &lakehouse::Written) -> String {
    let name = work.target.name();
    if matches!(work.target, Target::View(_)) {
        return format!("view {name} is in place");
    }
    let snapshot = written.snapshot.map(|id| format!(", snapshot {id}")).unwrap_or_default();
    format!(
        "read {} rows, wrote {} rows ({} bytes) to {name}, which has {} now{snapshot}",
        written.rows_read, written.rows, written.bytes, written.total_rows
    )
}
