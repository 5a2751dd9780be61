//! What a table that an ingestion fills has to keep, whoever changes it.
//!
//! A sync goes on from the checkpoint in the table's properties. It trusts that the rows of before that checkpoint are in the
//! table, in the columns that the source has. A change that takes one of them away would fail nowhere: the next sync would go
//! on behind rows that are missing. So it is refused, to the host's own routes and to clients of its Iceberg catalog alike:
//!
//! - columns stay, and keep their names; new ones and wider ones are welcome;
//! - the current snapshot has descendants: rows are added, changed and deleted by new snapshots, never by going back to an old one;
//! - the table keeps its name, by which its ingestion finds it;
//! - properties that begin with `asgard.` are the host's own, in any table.
//!
//! Dropping the table takes the checkpoint along: the next sync begins anew. Deleting the ingestion takes it out of the table.

use std::collections::HashMap;

use asgard_contract::{Error, Result, TableName};
use iceberg::spec::{Schema, TableMetadata};

/// A sync's checkpoint, in the properties of the table that it fills. Names of what belongs to it begin with this one.
pub(crate) const SYNC_CHECKPOINT: &str = "asgard.checkpoint";

const HOSTS_OWN: &str = "asgard.";

/// Whether an ingestion fills the table.
fn is_synced(metadata: &TableMetadata) -> bool {
    metadata.properties().contains_key(SYNC_CHECKPOINT)
}

/// Whether a property is a note of the host to itself.
pub(crate) fn is_hosts_own(property: &str) -> bool {
    property.starts_with(HOSTS_OWN)
}

/// Whether anybody but the host may set or remove a property.
///
/// # Errors
/// `invalid-input`.
pub(crate) fn check_property(name: &str) -> Result<()> {
    if is_hosts_own(name) {
        return Err(refused(format!("property `{name}` is the host's own: it is not set by hand")));
    }
    Ok(())
}

/// Whether the columns of a table may become those of `schema`.
///
/// # Errors
/// `invalid-input` with the column that is dropped or renamed.
pub(crate) fn check_columns(before: &TableMetadata, schema: &Schema) -> Result<()> {
    if !is_synced(before) {
        return Ok(());
    }
    let columns = before.current_schema();
    let mut ids: Vec<i32> = columns.field_id_to_name_map().keys().copied().collect();
    ids.sort_unstable();
    for id in ids {
        let name = columns.name_by_field_id(id);
        if name != schema.name_by_field_id(id) {
            return Err(refused(format!(
                "`{}` is filled by an ingestion, whose next sync would add it again: change it in the source, or in a table that \
                 is made of this one",
                name.unwrap_or_default()
            )));
        }
    }
    Ok(())
}

/// Whether a client of the catalog may make one state of a table the next one. `before` = none for a table that is new.
///
/// # Errors
/// `invalid-input` with what the table has to keep, and what to do instead.
pub(crate) fn check_change(before: Option<&TableMetadata>, after: &TableMetadata) -> Result<()> {
    let none = HashMap::new();
    let (old, new) = (before.map_or(&none, TableMetadata::properties), after.properties());
    if let Some(name) = old.keys().chain(new.keys()).find(|name| is_hosts_own(name) && old.get(*name) != new.get(*name))
    {
        check_property(name)?;
    }
    let Some(before) = before.filter(|before| is_synced(before)) else { return Ok(()) };
    check_columns(before, after.current_schema())?;
    if !goes_on(before, after) {
        return Err(refused(
            "the table is filled by an ingestion, which would go on behind rows that are then missing: neither go back to an older \
             snapshot nor replace the table. Read it as it was (`FOR VERSION AS OF`, or by a tag), or drop it: the next sync begins \
             anew",
        ));
    }
    Ok(())
}

/// Whether a table may be called otherwise, or another one may take its place.
///
/// # Errors
/// `invalid-input`.
pub(crate) fn check_name(table: &TableName, metadata: &TableMetadata) -> Result<()> {
    if !is_synced(metadata) {
        return Ok(());
    }
    Err(refused(format!(
        "`{table}` is filled by an ingestion, which finds it by its name: make a table of its rows under the other name, or delete the \
         ingestion first"
    )))
}

/// Whether the current snapshot of `after` is that of `before`, or comes of it.
fn goes_on(before: &TableMetadata, after: &TableMetadata) -> bool {
    let Some(kept) = before.current_snapshot_id() else { return true };
    let mut next = after.current_snapshot_id();
    // A snapshot that is expired in the same commit is known from before. Parents are as a client tells them: they may go round.
    for _ in 0..=after.snapshots().len() + before.snapshots().len() {
        match next {
            Some(id) if id == kept => return true,
            Some(id) => {
                let snapshot = after.snapshot_by_id(id).or_else(|| before.snapshot_by_id(id));
                next = snapshot.and_then(|snapshot| snapshot.parent_snapshot_id());
            }
            None => return false,
        }
    }
    false
}

fn refused(message: impl Into<String>) -> Error {
    Error::InvalidInput { field: None, message: message.into() }
}
