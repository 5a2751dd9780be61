//! Streams that are read by a cursor: rows from the largest value of before on.
//!
//! More rows with that value may be there by now, rows without a value are after no value, and an infinite one is after all. So
//! those are read each time. A stream that merges makes nothing of a row that comes again. One that appends must not read it:
//! its checkpoint has digests of such rows, by key and cursor, which the next condition leaves out: a row whose cursor has moved on is
//! another one. That takes no more than [`MOST_SEEN`], so a cursor that nearly all rows share is refused there.

use asgard_sdk::connector::{StreamSelection, SyncMode};
use asgard_sdk::{Error, Result};

use super::checkpoint::{Cursor, State};
use super::full_name;
use crate::catalog::Table;
use crate::session::Session;
use crate::wire::{Failure, quote_identifier, quote_literal};

/// A digest takes 35 bytes in the checkpoint, which is part of each piece of the table's metadata.
const MOST_SEEN: usize = 10_000;

/// How far an incremental stream comes.
#[derive(Debug)]
pub(super) struct CursorPlan {
    pub(super) column: String,
    /// Finds the largest value of the cursor column.
    pub(super) query: String,
    relation: String,
    /// For a stream that appends: the digest of a row's primary key and cursor, in SQL.
    digest: Option<String>,
}

pub(super) fn plan(
    selection: &StreamSelection,
    table: &Table,
    relation: &str,
    state: Option<&State>,
) -> Result<(CursorPlan, String)> {
    let name = full_name(selection);
    let wanted = selection.cursor.as_deref().unwrap_or_default();
    let column = table.columns.iter().find(|column| column.name == wanted && column.mapping.kind.is_cursor());
    let column = column.ok_or_else(|| {
        Error::invalid(
            "cursor",
            format!("`{wanted}` is no cursor of `{name}`: it takes an integer, date or timestamp column"),
        )
    })?;
    let quoted = quote_identifier(&column.name);
    let finite = if column.mapping.kind.has_infinities() {
        format!(" WHERE pg_catalog.isfinite({quoted})")
    } else {
        String::new()
    };
    let digest = if selection.sync_mode == SyncMode::IncrementalAppend {
        if selection.primary_key.is_empty() {
            return Err(Error::invalid(
                "primaryKey",
                format!("appending what is new of `{name}` tells rows by their primary key: name its columns"),
            ));
        }
        let key = selection.primary_key.iter().chain([&column.name]);
        let key: Vec<String> = key.map(|column| quote_identifier(column)).collect();
        Some(format!("pg_catalog.md5(ROW({})::pg_catalog.text)", key.join(", ")))
    } else {
        None
    };
    let before = state.and_then(|state| state.cursor(&column.name));
    let condition = before.map_or(String::new(), |before| {
        let since = since(&quoted, before);
        let seen: Vec<String> = before.seen.iter().map(|seen| quote_literal(seen)).collect();
        match &digest {
            Some(digest) if !seen.is_empty() => format!(
                " WHERE {since} AND {digest} OPERATOR(pg_catalog.<>) ALL (ARRAY[{}]::pg_catalog.text[])",
                seen.join(", ")
            ),
            _ => format!(" WHERE {since}"),
        }
    });
    let query = format!("SELECT pg_catalog.max({quoted})::pg_catalog.text FROM {relation}{finite}");
    Ok((CursorPlan { column: column.name.clone(), query, relation: relation.to_owned(), digest }, condition))
}

fn since(quoted: &str, cursor: &Cursor) -> String {
    format!("({quoted} >= {} OR {quoted} IS NULL)", quote_literal(&cursor.value))
}

/// Why the place could not be found.
pub(super) enum Unfound {
    Failure(Failure),
    Refused(Error),
}

impl From<Failure> for Unfound {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// How far the stream comes in this snapshot. Nothing in the table: the place of before still holds.
pub(super) fn reached(
    session: &mut Session,
    plan: &CursorPlan,
    state: Option<&State>,
    name: &str,
) -> std::result::Result<Option<Cursor>, Unfound> {
    let largest = session.query(&plan.query)?.into_iter().flatten().flatten().next();
    let reached = match largest {
        Some(value) => Some(Cursor { column: plan.column.clone(), value, seen: Vec::new() }),
        None => state.and_then(|state| state.cursor(&plan.column)).cloned(),
    };
    let Some(digest) = &plan.digest else { return Ok(reached) };
    let Some(mut cursor) = reached else {
        if session.query(&format!("SELECT 1 FROM {} LIMIT 1", plan.relation))?.is_empty() {
            return Ok(None);
        }
        return Err(Unfound::Refused(Error::Conflict(format!(
            "no row of `{name}` has a finite value in cursor column `{}`, so that it cannot be told later which rows are new: give it \
             values, or use the sync mode `incremental_merge`",
            plan.column
        ))));
    };
    let condition = since(&quote_identifier(&plan.column), &cursor);
    let rows =
        session.query(&format!("SELECT {digest} FROM {} WHERE {condition} LIMIT {}", plan.relation, MOST_SEEN + 1))?;
    if rows.len() > MOST_SEEN {
        return Err(Unfound::Refused(Error::Conflict(format!(
            "more than {MOST_SEEN} rows of `{name}` have the newest value of cursor column `{}`, or none: too many to tell later \
             which were appended. Use a finer cursor, or the sync mode `incremental_merge`",
            plan.column
        ))));
    }
    cursor.seen = rows.into_iter().flatten().flatten().collect();
    Ok(Some(cursor))
}
