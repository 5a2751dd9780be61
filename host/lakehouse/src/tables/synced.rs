//! What a table that an ingestion fills has to keep, whoever changes it.
//!
//! A sync goes on from the checkpoint in the table's properties. It trusts that the rows of before that checkpoint are in the
//! table, in the columns that the source has. A change that takes one of them away would fail nowhere: the next sync would go
//! on behind rows that are missing. So it is refused, to the host's own routes and to clients of its Iceberg catalog alike:
//!
//! - columns stay, and keep their names; new ones and wider ones are welcome;
//! - the current snapshot has descendants: rows are added, changed and deleted by new snapshots, never by going back to an old one;
//! - the table keeps its name, by which its ingestion finds it;
//! - its checkpoint stays, and is only replaced by another one. Properties that begin with `asgard.` are a host's own: nobody sets them
//!   by hand, but a client of the catalog may be a host.
//!
//! Dropping the table takes the checkpoint along: the next sync begins anew. Deleting the ingestion takes it out of the table.

use asgard_contract::{Error, Result, TableName};
use iceberg::spec::{Schema, TableMetadata};

use crate::stream::is_checkpoint;

/// A sync's checkpoint, in the properties of the table that it fills. Names of what belongs to it begin with this one.
pub(crate) const SYNC_CHECKPOINT: &str = "asgard.checkpoint";

/// Who may commit to the table.
pub(crate) const SYNC_WRITER: &str = "asgard.checkpoint.writer";

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
    for name in [SYNC_CHECKPOINT, SYNC_WRITER] {
        let (old, new) = (before.and_then(|before| before.properties().get(name)), after.properties().get(name));
        // A client may be another host, which syncs into a table of this catalog.
        let hosts = new.is_some_and(|new| name != SYNC_CHECKPOINT || is_checkpoint(new));
        if old != new && !hosts {
            check_property(name)?;
        }
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

#[cfg(test)]
mod tests {
    use asgard_contract::lakehouse::WriteMode;
    use iceberg::spec::{MAIN_BRANCH, SnapshotReference, SnapshotRetention, TableMetadataBuilder};
    use serde_json::json;

    use super::*;
    use crate::testing::{Folder, no_reads, stream, table, target};

    /// The table after each of so many appends.
    async fn states(appends: usize) -> Vec<TableMetadata> {
        let folder = Folder::new();
        let tables = folder.open().await;
        let mut states = Vec::new();
        for id in 0..appends {
            let rows = stream(json!([{"id": id, "v": "x"}]));
            tables.write(&target("bronze.t", WriteMode::Append, &[]), &id.to_string(), rows, &no_reads).await.unwrap();
            states.push(table(&tables, "bronze.t").await.state.metadata.as_ref().clone());
        }
        states
    }

    fn changed(
        metadata: &TableMetadata,
        change: impl FnOnce(TableMetadataBuilder) -> iceberg::Result<TableMetadataBuilder>,
    ) -> TableMetadata {
        let builder = TableMetadataBuilder::new_from_metadata(metadata.clone(), None);
        change(builder).unwrap().build().unwrap().metadata
    }

    fn synced(metadata: &TableMetadata) -> TableMetadata {
        changed(metadata, |builder| builder.set_properties([(SYNC_CHECKPOINT.to_owned(), "{}".to_owned())].into()))
    }

    fn current_at(metadata: &TableMetadata, snapshot_id: i64) -> TableMetadata {
        let retention =
            SnapshotRetention::Branch { min_snapshots_to_keep: None, max_snapshot_age_ms: None, max_ref_age_ms: None };
        changed(metadata, |builder| builder.set_ref(MAIN_BRANCH, SnapshotReference { snapshot_id, retention }))
    }

    #[tokio::test]
    async fn what_comes_of_the_current_snapshot_may_be_the_next_one_and_nothing_else() {
        let states = states(3).await;
        let [one, two, three] = states.as_slice() else { panic!() };
        let ids: Vec<i64> = states.iter().map(|state| state.current_snapshot_id().unwrap()).collect();
        let before = synced(two);
        // Whatever is expired beside it, what it comes of included.
        let thinned = changed(&synced(three), |builder| Ok(builder.remove_snapshots(&ids[..2])));
        for after in [before.clone(), synced(three), thinned] {
            check_change(Some(&before), &after).unwrap();
        }
        let nowhere = changed(&before, |builder| Ok(builder.remove_ref(MAIN_BRANCH)));
        for after in [current_at(&synced(three), ids[0]), synced(one), nowhere] {
            let error = check_change(Some(&before), &after).unwrap_err().to_string();
            assert!(error.contains("go back to an older snapshot"), "{error}");
        }
        // Without a checkpoint nobody goes on from anywhere.
        check_change(Some(two), &current_at(three, ids[0])).unwrap();
        check_change(Some(&synced(one)), &synced(three)).unwrap();
    }

    #[tokio::test]
    async fn only_a_synced_table_is_bound_to_its_name_and_only_the_host_sets_what_is_its_own() {
        let states = states(1).await;
        let (free, filled) = (&states[0], synced(&states[0]));
        let name = TableName::new("bronze", "t");
        check_name(&name, free).unwrap();
        assert!(check_name(&name, &filled).unwrap_err().to_string().contains("`bronze.t` is filled by an ingestion"));
        for (before, after) in [(None, &filled), (Some(free), &filled), (Some(&filled), free)] {
            let error = check_change(before, after).unwrap_err().to_string();
            assert!(error.contains("`asgard.checkpoint` is the host's own"), "{error}");
        }
        check_change(None, free).unwrap();
    }
}
