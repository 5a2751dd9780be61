//! `check` and `discover`, `provision` and `retire`.

use asgard_sdk::connector::{Ingestion, StreamDescriptor, SyncMode};
use asgard_sdk::{Column, Error, Result};

use crate::capabilities::Capabilities;
use crate::catalog::{self, ReplicaIdentity, Scope, Table};
use crate::configuration::Configuration;
use crate::replication::objects;
use crate::session::Session;

/// Nothing is written, and what is read belongs together.
const READ_ONLY: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Reaches the source and finds its schemas.
///
/// # Errors
/// Those of [`Session::open`]; `invalid-input` for a schema that is not there, or a server whose log cannot be read.
pub fn check(capabilities: &dyn Capabilities, configuration: &Configuration) -> Result<()> {
    let mut session = Session::open(capabilities, configuration)?;
    let there = catalog::schemas(&mut session)?;
    if configuration.captures_changes() {
        objects::check_server(&mut session)?;
        // Only the server knows who may replicate: on managed ones it is no property of the role.
        Session::open_for_replication(capabilities, configuration)?.close();
    }
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
    Ok(tables.into_iter().map(|table| descriptor(table, configuration)).collect())
}

/// Makes what an ingestion's captured streams need in the database.
///
/// # Errors
/// Those of [`objects::provision`].
pub fn provision(capabilities: &dyn Capabilities, ingestion: &Ingestion) -> Result<()> {
    let configuration = Configuration::of(&ingestion.source)?;
    let captures = objects::captured(&ingestion.streams).next().is_some();
    if !captures && !configuration.captures_changes() {
        return Ok(());
    }
    let mut session = Session::open(capabilities, &configuration)?;
    if !captures {
        // It may have had such streams.
        return objects::retire(&mut session, &configuration, ingestion);
    }
    objects::provision(&mut session, &configuration, ingestion)?;
    session.close();
    Ok(())
}

/// Removes it again. An ingestion without captured streams has nothing in the database, which may be gone.
///
/// # Errors
/// Those of [`objects::retire`].
pub fn retire(capabilities: &dyn Capabilities, ingestion: &Ingestion) -> Result<()> {
    if objects::captured(&ingestion.streams).next().is_none() {
        return Ok(());
    }
    let configuration = Configuration::of(&ingestion.source)?;
    let mut session = Session::open(capabilities, &configuration)?;
    objects::retire(&mut session, &configuration, ingestion)?;
    session.close();
    Ok(())
}

/// With change data capture, generated columns are left out, since the log leaves them out; and rows are told apart by what the
/// log tells them by.
fn descriptor(mut table: Table, configuration: &Configuration) -> StreamDescriptor {
    let user = &configuration.username;
    let captured = configuration.captures_changes() && table.is_logged();
    if captured {
        table.columns.retain(|column| !column.generated);
        if let ReplicaIdentity::Columns(columns) = &table.identity {
            table.primary_key.clone_from(columns);
        }
    }
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
        // The first one is what an ingestion takes that asks for none.
        if captured {
            sync_modes.push(SyncMode::ChangeDataCapture);
        }
        sync_modes.extend([SyncMode::FullRefreshOverwrite, SyncMode::FullRefreshAppend]);
        // Both tell by the primary key which rows at the checkpoint's cursor they had before.
        if !table.primary_key.is_empty() && !cursor_columns.is_empty() {
            sync_modes.extend([SyncMode::IncrementalAppend, SyncMode::IncrementalMerge]);
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
