//! The steps of a point-in-time join; a materialisation is done in its first step.
//!
//! Rows that came with the request are kept as an object until the join has ended: a host that restarts submits the
//! statement again, and a state is no place for megabytes.

use asgard_sdk::context::Level;
use asgard_sdk::feature_source::{
    EntityRows, FeatureView, HistoricalRequest, Outcome, Request, Selection, Status, Step,
};
use asgard_sdk::{Column, Error, Progress, Result, Running, TableName, context, decode, encode, lakehouse, objects};
use serde::{Deserialize, Serialize};

use crate::historical::{self, ROWS, Spine};
use crate::materialise;

/// One statement per task.
const KEY: &str = "join";
const FIRST_POLL_MS: u32 = 20;
const SLOWEST_POLL_MS: u32 = 1_000;

/// A table's namespace and name.
type Name = (String, String);

/// A join on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Join {
    sql: String,
    /// Of the views, in order.
    tables: Vec<Name>,
    rows: Rows,
    output: String,
    snapshots: Vec<(String, i64)>,
    polls: u32,
}

/// Where the rows to join to are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rows {
    /// The key of an object: an Arrow IPC stream.
    Object(String),
    Table(Name),
    Latest,
}

/// Begins a join, or does a materialisation.
///
/// # Errors
/// `invalid-input` with the field, `conflict` when a table no longer fits its view.
pub fn start(request: Request) -> Result<Step> {
    match request {
        Request::Historical(request) => start_join(request),
        Request::Materialise(request) => {
            let filled = materialise::fill(&request.view)?;
            let snapshots = filled.snapshot.map(|snapshot| (dotted(&request.view.source), snapshot));
            let outcome = Outcome { rows: filled.entities, snapshots: snapshots.into_iter().collect() };
            Ok(Step { state: Vec::new(), status: Status::Succeeded(outcome) })
        }
    }
}

/// Asks how far it is, and submits again what the host has forgotten.
///
/// # Errors
/// Those of the host.
pub fn advance(state: &[u8]) -> Result<Step> {
    let mut join: Join = decode(state)?;
    match lakehouse::poll(KEY) {
        Ok(lakehouse::Status::Running(now)) => {
            join.polls += 1;
            running(&join, now.progress)
        }
        Ok(lakehouse::Status::Succeeded(written)) => {
            forget_rows(&join)?;
            context::log(Level::Info, &format!("{} rows with features", written.rows));
            let outcome = Outcome { rows: written.rows, snapshots: join.snapshots.clone() };
            Ok(Step { state: encode(&join)?, status: Status::Succeeded(outcome) })
        }
        Ok(lakehouse::Status::Failed(error)) => {
            forget_rows(&join)?;
            Ok(Step { state: encode(&join)?, status: Status::Failed(explained(error)) })
        }
        Err(Error::NotFound(_)) => {
            context::log(Level::Warn, "the host did not know the join any more: submitted again");
            submit(&join)?;
            join.polls = 0;
            running(&join, Progress { message: "submitted again".to_owned(), fraction: None })
        }
        Err(error) => Err(error),
    }
}

/// Ends the join.
///
/// # Errors
/// Those of the host.
pub fn cancel(state: &[u8]) -> Result<()> {
    // A materialisation has no state: it was done at once.
    if state.is_empty() {
        return Ok(());
    }
    let join: Join = decode(state)?;
    lakehouse::cancel(KEY)?;
    forget_rows(&join)
}

fn start_join(request: HistoricalRequest) -> Result<Step> {
    let described = request.selections.iter().map(|selection| describe(&selection.view)).collect::<Result<Vec<_>>>()?;
    let selections: Vec<(&Selection, &[Column])> = request
        .selections
        .iter()
        .zip(&described)
        .map(|(selection, table)| (selection, table.columns.as_slice()))
        .collect();
    let mut given = Vec::new();
    let (rows, columns, in_order) = match request.rows {
        EntityRows::Latest => (Rows::Latest, None, false),
        EntityRows::Table(table) => {
            let columns = lakehouse::describe(&table).map_err(|error| match error {
                Error::NotFound(message) => Error::invalid("entities", message),
                other => other,
            })?;
            (Rows::Table((table.namespace, table.name)), Some(columns.columns), false)
        }
        EntityRows::ArrowIpc(ipc) => {
            let columns = columns_of(&ipc)?;
            given = ipc;
            (Rows::Object(format!("features/rows/{}.arrow", context::task_id())), Some(columns), true)
        }
    };
    let spine = match &columns {
        Some(columns) => Spine::Rows { columns, in_order },
        None => Spine::Latest,
    };
    let mut snapshots: Vec<(String, i64)> = Vec::new();
    for table in &described {
        let name = dotted(&table.name);
        if let Some(snapshot) = table.snapshot
            && !snapshots.iter().any(|(known, _)| *known == name)
        {
            snapshots.push((name, snapshot));
        }
    }
    // Each table once, at the snapshot that the answer names: a commit in between changes nothing.
    let versions: Vec<Option<i64>> = described
        .iter()
        .map(|table| {
            let name = dotted(&table.name);
            snapshots.iter().find(|(known, _)| *known == name).map(|(_, snapshot)| *snapshot)
        })
        .collect();
    let sql = historical::statement(spine, &selections, request.full_names)?;
    let join = Join {
        sql: historical::pinned(&sql, &versions),
        tables: described.into_iter().map(|table| (table.name.namespace, table.name.name)).collect(),
        rows,
        output: request.output,
        snapshots,
        polls: 0,
    };
    // Only now, when nothing is left that could be refused: a failed step has no state by which to remove it.
    if let Rows::Object(key) = &join.rows {
        objects::put(key, &given)?;
    }
    if let Err(error) = submit(&join) {
        forget_rows(&join)?;
        return Err(error);
    }
    context::log(Level::Debug, &format!("submitted:\n{}", join.sql));
    running(&join, Progress { message: "joining features".to_owned(), fraction: None })
}

fn describe(view: &FeatureView) -> Result<lakehouse::Table> {
    lakehouse::describe(&view.source).map_err(|error| match error {
        Error::NotFound(message) => {
            Error::Conflict(format!("the table of feature view `{}` is gone: {message}", view.name))
        }
        other => other,
    })
}

/// The columns of an Arrow IPC stream, as the engine sees them.
fn columns_of(ipc: &[u8]) -> Result<Vec<Column>> {
    let statement = lakehouse::Statement {
        sql: format!("SELECT * FROM {ROWS}"),
        dialect: lakehouse::Dialect::Trino,
        inputs: vec![(ROWS.to_owned(), lakehouse::Input::Arrow(ipc.to_vec()))],
    };
    Ok(lakehouse::plan(&statement).map_err(explained)?.columns)
}

fn submit(join: &Join) -> Result<()> {
    let table = |(namespace, name): &Name| {
        lakehouse::Input::Table(TableName { namespace: namespace.clone(), name: name.clone() })
    };
    let mut inputs: Vec<(String, lakehouse::Input)> =
        join.tables.iter().enumerate().map(|(index, name)| (historical::current_name(index), table(name))).collect();
    match &join.rows {
        Rows::Latest => {}
        Rows::Table(name) => inputs.push((ROWS.to_owned(), table(name))),
        Rows::Object(key) => inputs.push((ROWS.to_owned(), lakehouse::Input::Arrow(objects::get(key)?))),
    }
    let statement = lakehouse::Statement { sql: join.sql.clone(), dialect: lakehouse::Dialect::Trino, inputs };
    lakehouse::submit(KEY, &statement, &lakehouse::Output::Parquet(join.output.clone())).map_err(explained)
}

fn forget_rows(join: &Join) -> Result<()> {
    match &join.rows {
        Rows::Object(key) => objects::delete(key),
        Rows::Table(_) | Rows::Latest => Ok(()),
    }
}

fn running(join: &Join, progress: Progress) -> Result<Step> {
    let wait = (0..join.polls.min(10)).fold(FIRST_POLL_MS, |wait, _| (wait + wait / 2).min(SLOWEST_POLL_MS));
    Ok(Step { state: encode(join)?, status: Status::Running(Running { progress, poll_after_ms: wait }) })
}

/// The statement is ours, so what does not fit in it are the rows.
fn explained(error: Error) -> Error {
    match error {
        Error::InvalidInput(input) => Error::invalid("entities", input.message),
        other => other,
    }
}

fn dotted(table: &TableName) -> String {
    format!("{}.{}", table.namespace, table.name)
}
