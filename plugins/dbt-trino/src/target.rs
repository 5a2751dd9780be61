//! The table or view that a model becomes: what is there before, and what is there in the end.

use asgard_dbt::Existing;
use asgard_sdk::json::Value;
use asgard_sdk::transform::Outcome;
use asgard_sdk::{Error, Result};

use crate::names::{Name, text};
use crate::trino::{Client, Type};

/// What stands under the name.
///
/// # Errors
/// Trino's own.
pub fn existing(client: &Client<'_>, target: &Name) -> Result<Existing> {
    let found = client.query(&format!(
        "SELECT table_type FROM information_schema.tables WHERE table_schema = {} AND table_name = {}",
        text(&target.namespace),
        text(&target.name)
    ))?;
    Ok(match found.rows.first().and_then(|row| row.first()).and_then(Value::as_str) {
        None => Existing::Nothing,
        Some("VIEW") => Existing::View,
        Some(_) => Existing::Table,
    })
}

/// A table's columns.
///
/// # Errors
/// Trino's own.
pub fn columns(client: &Client<'_>, target: &Name) -> Result<Vec<(String, Type)>> {
    Ok(client.query(&format!("SELECT * FROM {} LIMIT 0", target.sql()))?.columns)
}

/// Makes the namespace, as the embedded engine does with its first table.
///
/// # Errors
/// Trino's own.
pub fn make_namespace(client: &Client<'_>, target: &Name) -> Result<()> {
    client.query(&format!("CREATE SCHEMA IF NOT EXISTS {}", crate::names::quoted(&target.namespace))).map(drop)
}

/// Drops a table or view. Nothing happens if there is none.
///
/// # Errors
/// Trino's own.
pub fn drop_whatever(client: &Client<'_>, target: &Name) -> Result<()> {
    let kind = match existing(client, target)? {
        Existing::Nothing => return Ok(()),
        Existing::Table => "TABLE",
        Existing::View => "VIEW",
    };
    client.query(&format!("DROP {kind} IF EXISTS {}", target.sql())).map(drop)
}

/// The current snapshot of a table; none for one that has none, and for what is no table.
///
/// # Errors
/// Trino's own.
pub fn snapshot(client: &Client<'_>, target: &Name) -> Result<Option<i64>> {
    if existing(client, target)? != Existing::Table {
        return Ok(None);
    }
    Ok(properties(client, target)?.1)
}

/// Location and current snapshot.
fn properties(client: &Client<'_>, target: &Name) -> Result<(String, Option<i64>)> {
    let found = client.query(&format!(
        "SELECT key, value FROM {} WHERE key IN ('location', 'current-snapshot-id')",
        target.metadata("properties")
    ))?;
    let value = |key: &str| {
        found
            .rows
            .iter()
            .find(|row| row.first().and_then(Value::as_str) == Some(key))
            .and_then(|row| row.get(1)?.as_str())
    };
    // A table without rows yet says `none`.
    let snapshot = value("current-snapshot-id").and_then(|text| text.parse().ok());
    Ok((value("location").unwrap_or_default().to_owned(), snapshot))
}

/// Whether a query's work is in the table: its snapshot is known, or files of its making are current. The second is what is left in a
/// catalog that shows the newest snapshot only, once another writer has committed.
///
/// # Errors
/// Trino's own.
pub fn has_work_of(client: &Client<'_>, target: &Name, query: &str) -> Result<bool> {
    if existing(client, target)? != Existing::Table {
        return Ok(false);
    }
    let found = client.query(&format!(
        "SELECT (SELECT count(*) FROM {} WHERE element_at(summary, 'trino_query_id') = {query})
         + (SELECT count(*) FROM {} WHERE strpos(file_path, {file}) > 0)",
        target.metadata("snapshots"),
        target.metadata("files"),
        query = text(query),
        file = text(&format!("/{query}-")),
    ))?;
    Ok(found.number()? > 0)
}

/// What a query is known to have done.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// None where it is not known.
    pub query: Option<String>,
    /// As Trino counts: rows that a merge deletes are counted too.
    pub rows: u64,
    pub rows_read: u64,
    pub bytes_read: u64,
}

/// What a table is after a run.
///
/// # Errors
/// Trino's own; `not-found` when it is gone.
pub fn outcome(client: &Client<'_>, target: &Name, done: &Done) -> Result<Outcome> {
    let mut outcome = Outcome {
        rows_written: done.rows,
        bytes_written: 0,
        rows_read: done.rows_read,
        bytes_read: done.bytes_read,
        total_rows: 0,
        snapshot: None,
        location: String::new(),
    };
    match existing(client, target)? {
        Existing::Nothing => {
            return Err(Error::NotFound(format!("{target} was made, and is gone: somebody dropped it")));
        }
        // It holds no rows and has no place of its own that Trino tells.
        Existing::View => return Ok(Outcome { rows_written: 0, rows_read: 0, bytes_read: 0, ..outcome }),
        Existing::Table => {}
    }
    (outcome.location, outcome.snapshot) = properties(client, target)?;
    outcome.total_rows = client.query(&format!("SELECT count(*) FROM {}", target.sql()))?.number()?;
    if let Some(query) = &done.query {
        let found = client.query(&format!(
            "SELECT element_at(summary, 'added-records'), element_at(summary, 'added-files-size')
             FROM {} WHERE element_at(summary, 'trino_query_id') = {}",
            target.metadata("snapshots"),
            text(query)
        ))?;
        if let Some(row) = found.rows.first() {
            let number =
                |index: usize| row.get(index).and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok());
            // Rows that an update replaces are deleted and added: what was added is what the model gave.
            outcome.rows_written = number(0).unwrap_or(0);
            outcome.bytes_written = number(1).unwrap_or(0);
        }
    }
    Ok(outcome)
}
