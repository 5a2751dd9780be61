//! `check` and `discover`.

use asgard_sdk::connector::{StreamDescriptor, SyncMode};
use asgard_sdk::{Column, Error, Result};

use crate::capabilities::Capabilities;
use crate::catalog::{self, Scope, Table};
use crate::configuration::Configuration;
use crate::session::Session;

/// Nothing is written, and what is read belongs together.
const READ_ONLY: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Reaches the source and finds its schemas.
///
/// # Errors
/// Those of [`Session::open`]; `invalid-input` for a schema that is not there, or a way of replication that is none of ours.
pub fn check(capabilities: &dyn Capabilities, configuration: &Configuration) -> Result<()> {
    configuration.refuse_unsupported()?;
    let mut session = Session::open(capabilities, configuration)?;
    let there = catalog::schemas(&mut session)?;
    session.close();
    match configuration.schemas.iter().find(|schema| !there.contains(schema)) {
        None => Ok(()),
        Some(missing) => Err(Error::invalid(
            "config.schemas",
            format!(
                "database `{}` has no schema `{missing}`: it has {}",
                configuration.database,
                if there.is_empty() { "none".to_owned() } else { there.join(", ") }
            ),
        )),
    }
}

/// All streams of the schemas.
///
/// # Errors
/// Those of [`Session::open`] and of the catalog's queries.
pub fn discover(capabilities: &dyn Capabilities, configuration: &Configuration) -> Result<Vec<StreamDescriptor>> {
    let mut session = Session::open(capabilities, configuration)?;
    session.execute(READ_ONLY)?;
    let tables = catalog::read(&mut session, Scope::Schemas(&configuration.schemas))?;
    session.close();
    Ok(tables.into_iter().map(|table| descriptor(table, &configuration.username)).collect())
}

fn descriptor(table: Table, user: &str) -> StreamDescriptor {
    let unsupported = if table.columns.is_empty() {
        Some("the table has no columns".to_owned())
    } else if !table.readable {
        Some(format!(
            "user `{user}` may not read it: GRANT USAGE on the schema and SELECT on the table, for instance by membership in \
             pg_read_all_data"
        ))
    } else {
        None
    };
    let cursor_columns: Vec<String> = table
        .columns
        .iter()
        .filter(|column| column.mapping.kind.is_cursor())
        .map(|column| column.name.clone())
        .collect();
    let mut sync_modes = Vec::new();
    if unsupported.is_none() {
        sync_modes.extend([SyncMode::FullRefreshOverwrite, SyncMode::FullRefreshAppend]);
        // Rows that have the checkpoint's cursor are read again, since there may be more of them by now. Merging makes
        // nothing of that; appending would write them twice, so that mode is not offered.
        if !table.primary_key.is_empty() && !cursor_columns.is_empty() {
            sync_modes.push(SyncMode::IncrementalMerge);
        }
    }
    StreamDescriptor {
        namespace: Some(table.schema),
        name: table.name,
        columns: table.columns.into_iter().map(as_column).collect(),
        primary_key: table.primary_key,
        sync_modes,
        cursor_columns,
        estimated_rows: table.estimated_rows,
        unsupported,
    }
}

/// The column's comment, if it has one; else its type as PostgreSQL calls it, where Iceberg's does not tell.
fn as_column(column: catalog::Column) -> Column {
    let doc = column.comment.or_else(|| column.mapping.cast.map(|_| format!("{} in PostgreSQL", column.declared)));
    Column { name: column.name, data_type: column.mapping.kind.to_string(), nullable: column.nullable, doc }
}
