//! Whether a stream's key tells the rows of its table apart.
//!
//! A request may name a key that the table does not promise. Rows that share it would be merged into one, and nobody would see that
//! the others are gone, so a table without such a promise is looked through before it is read whole.

use asgard_sdk::Error;
use asgard_sdk::connector::{StreamSelection, SyncMode};

use super::checkpoint::State;
use super::{ROLL_BACK, Trouble, full_name, schema_of};
use crate::catalog::{self, Fields};
use crate::session::Session;
use crate::types::Oid;
use crate::wire::quote_identifier;

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// The server keeps it unique, or nothing is merged by it.
    Kept,
    /// No two rows share it now, and nothing keeps it so.
    Found,
}

/// Looks at the key of a stream that is merged and read whole. The session is back at its savepoint after it.
///
/// # Errors
/// `invalid-input` of the stream whose rows share keys, with one that they share.
pub(super) fn check(
    session: &mut Session,
    selection: &StreamSelection,
    table: Oid,
    state: Option<&State>,
) -> Result<Key, Trouble> {
    let merges = matches!(selection.sync_mode, SyncMode::IncrementalMerge | SyncMode::ChangeDataCapture);
    let key = &selection.primary_key;
    if !merges || key.is_empty() || state.is_some() {
        return Ok(Key::Kept);
    }
    session.execute("SET LOCAL search_path TO pg_catalog")?;
    let kept = catalog::rows(session, &indexes(table), names)?;
    if kept.iter().any(|columns| columns.iter().all(|column| key.contains(column))) {
        session.execute(ROLL_BACK)?;
        return Ok(Key::Kept);
    }
    let shared = session.query(&shared(selection))?;
    session.execute(ROLL_BACK)?;
    let Some(values) = shared.into_iter().next() else { return Ok(Key::Found) };
    let name = full_name(selection);
    let values: Vec<String> = values.into_iter().map(|value| value.unwrap_or_else(|| "null".to_owned())).collect();
    Err(Trouble::Stream(Error::invalid(
        "streams",
        format!(
            "the `primaryKey` of stream `{name}`, ({}), does not tell its rows apart: several have ({}), and would be merged into one. \
             PATCH /ingestion/{{id}} with columns that are unique together, leave `primaryKey` out where the table has one, or give \
             the stream the sync mode `full_refresh_overwrite`",
            key.join(", "),
            values.join(", ")
        ),
    )))
}

/// Unique indexes over columns alone, each with its columns.
fn indexes(table: Oid) -> String {
    format!(
        "SELECT json_agg(a.attname)
         FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, place)
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
         WHERE i.indrelid = {table} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
           AND k.place <= i.indnkeyatts
         GROUP BY i.indexrelid"
    )
}

fn names(row: &mut Fields) -> Option<Vec<String>> {
    serde_json::from_str(&row.text()?).ok()
}

/// A key that rows share. By their texts, as the lakehouse compares them: a collation or a type may hold others for equal.
fn shared(selection: &StreamSelection) -> String {
    let columns: Vec<String> =
        selection.primary_key.iter().map(|name| format!("{}::text", quote_identifier(name))).collect();
    let columns = columns.join(", ");
    format!(
        "SELECT {columns} FROM {}.{} GROUP BY {columns} HAVING count(*) > 1 LIMIT 1",
        quote_identifier(schema_of(selection)),
        quote_identifier(&selection.name)
    )
}
