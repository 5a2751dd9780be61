//! Commits: new metadata from the newest there is, put in its place by compare-and-swap.
//!
//! A [`Transaction`] says what the new metadata is, given the newest. When another commit comes in between, it is asked again
//! with that one's result, so nobody's commit is lost; what it wrote for the attempt that lost is deleted.

use std::collections::HashMap;
use std::time::Duration;

use asgard_contract::{Error, Result, TableName};
use async_trait::async_trait;
use iceberg::spec::{FormatVersion, TableMetadata, TableMetadataBuildResult, TableMetadataBuilder};
use iceberg::{MetadataLocation, TableUpdate};

use super::snapshot::{self, Added, Plan, Removed};
use super::undo::{self, Uncommitted};
use super::write::delete_after_commit;
use super::{Current, Inner, TableState, ViewState};
use crate::catalog::{Catalog, Kind, RestCatalog, SqliteCatalog};
use crate::error;

/// Each attempt that loses means that another one won, so this many are only lost under siege.
const ATTEMPTS: u32 = 50;

/// Grows with each attempt, so that writers that keep meeting each other part.
const PAUSE: Duration = Duration::from_millis(5);

/// What a commit makes of the newest state.
pub(crate) enum Next {
    /// New metadata, and where the table is if it is new.
    Commit(Box<TableMetadataBuildResult>),
    /// Nothing is to be done.
    Nothing,
}

/// One change of one table.
#[async_trait]
pub(crate) trait Transaction: Send {
    /// May be called several times, each time with newer state. Files that it writes are noted in `undo`.
    async fn next(&mut self, tables: &Inner, current: Option<&Current>, undo: &Uncommitted) -> Result<Next>;
}

impl Inner {
    /// Carries a transaction out. `written` are files that are part of it whichever attempt wins. Answers with the table as it
    /// is then; none = nothing was to be done.
    pub(crate) async fn commit(
        &self,
        table: &TableName,
        transaction: &mut dyn Transaction,
        written: &[&Uncommitted],
    ) -> Result<Option<TableState>> {
        for attempt in 0..ATTEMPTS {
            let current = self.current(table).await?;
            let attempted = Uncommitted::default();
            let built = match transaction.next(self, current.as_ref(), &attempted).await? {
                Next::Commit(built) => *built,
                Next::Nothing => return Ok(None),
            };
            let done = match &self.catalog {
                Catalog::Sqlite(catalog) => {
                    self.swap(catalog, table, current.as_ref(), built, &attempted, written).await?
                }
                Catalog::Rest(catalog) => {
                    self.send(catalog, table, current.as_ref(), built, &attempted, written).await?
                }
            };
            if let Some(state) = done {
                self.remember(table, Current::Table(state.clone()));
                return Ok(Some(state));
            }
            attempted.release();
            written.iter().for_each(|files| files.release());
            tokio::time::sleep(PAUSE * attempt.min(20) + jitter()).await;
        }
        Err(Error::unavailable(format!("`{table}` is written to by too many at a time: try again")))
    }
}

/// What the outcome of a commit decides about: files of this attempt, and those of the transaction.
fn hold(attempted: &Uncommitted, written: &[&Uncommitted]) {
    attempted.hold();
    written.iter().for_each(|files| files.hold());
}

impl Inner {
    /// Writes the new metadata and puts it in the place of the old. None: another commit came in between.
    async fn swap(
        &self,
        catalog: &SqliteCatalog,
        table: &TableName,
        current: Option<&Current>,
        built: TableMetadataBuildResult,
        attempted: &Uncommitted,
        written: &[&Uncommitted],
    ) -> Result<Option<TableState>> {
        let location = next_location(current, &built.metadata)?;
        attempted.add(&self.io, location.to_string());
        built.metadata.write_to(&self.io, &location).await.map_err(error::iceberg("writing a table's metadata"))?;
        let location = location.to_string();
        hold(attempted, written);
        if !catalog.swap(table, current.map(Current::location), Kind::Table, &location).await? {
            return Ok(None);
        }
        self.delete_old_metadata(&built);
        Ok(Some(TableState { location, metadata: built.metadata.into() }))
    }

    /// Deletes the metadata files that a table's log has no more after a commit, where its properties say so.
    pub(crate) fn delete_old_metadata(&self, committed: &TableMetadataBuildResult) {
        if !delete_after_commit(committed.metadata.properties()) {
            return;
        }
        for old in &committed.expired_metadata_logs {
            undo::delete(&self.io, &old.metadata_file);
        }
    }

    /// Sends the changes to a catalog that makes the metadata itself. None: another commit came in between.
    async fn send(
        &self,
        catalog: &RestCatalog,
        table: &TableName,
        current: Option<&Current>,
        built: TableMetadataBuildResult,
        attempted: &Uncommitted,
        written: &[&Uncommitted],
    ) -> Result<Option<TableState>> {
        let before = current.and_then(Current::table).map(|state| state.metadata.as_ref());
        let mut changes = built.changes;
        if before.is_none() {
            // A table that is made is told whole.
            let (uuid, format_version) = (built.metadata.uuid(), built.metadata.format_version());
            changes.insert(0, TableUpdate::UpgradeFormatVersion { format_version });
            changes.insert(0, TableUpdate::AssignUuid { uuid });
        } else if !changes.iter().any(|change| matches!(change, TableUpdate::AddSnapshot { .. })) {
            let base = &built.metadata;
            let schema = base.current_schema().clone();
            let notes = HashMap::new();
            let added = Added { files: &[], spec: base.default_partition_spec().clone() };
            let plan = Plan { base, schema, added, removed: Removed::Nothing, same_rows: true, notes };
            let snapshot = snapshot::write(&self.io, plan, attempted).await?;
            let builder = TableMetadataBuilder::new_from_metadata(built.metadata, None);
            changes.extend(super::write::finish(builder, snapshot)?.changes);
        }
        if let Some(view @ Current::View(_)) = current {
            // A catalog has one thing under a name.
            catalog.remove(table, view).await?;
        }
        hold(attempted, written);
        let done = catalog.commit(table, before, changes).await;
        if let (Some(Current::View(view)), Err(_) | Ok(None)) = (current, &done) {
            put_back(catalog, table, view).await;
        }
        done
    }
}

/// Makes a view again that went for a table which did not come; its earlier versions are gone.
async fn put_back(catalog: &RestCatalog, name: &TableName, view: &ViewState) {
    // None: something else has the name by now, the table perhaps whose commit was not known to be made.
    if let Err(error) = catalog.commit_view(name, None, &view.metadata, Vec::new()).await {
        let sql = view.metadata.current_version().representations();
        tracing::error!(view = %name, ?sql, %error, "a view was dropped for a table that could not be made, and is gone");
    }
}

/// Up to one pause more.
fn jitter() -> Duration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    PAUSE.mul_f64((random % 1000) as f64 / 1000.0)
}

/// Where the next metadata file of a table goes.
pub(crate) fn next_location(current: Option<&Current>, metadata: &TableMetadata) -> Result<MetadataLocation> {
    let before = match current {
        // Another program may name its files otherwise: then the count starts anew.
        Some(Current::Table(state)) => state.location.parse::<MetadataLocation>().ok(),
        _ => None,
    };
    let at = format!("{}/metadata/", metadata.location());
    Ok(match before {
        Some(before) if before.to_string().starts_with(&at) => before.with_next_version().with_new_metadata(metadata),
        _ => MetadataLocation::new_with_metadata(metadata.location(), metadata),
    })
}

/// Refuses what this version does not write.
pub(crate) fn check_writable(table: &TableName, metadata: &TableMetadata) -> Result<()> {
    if metadata.format_version() > FormatVersion::V2 {
        return Err(Error::unsupported(format!(
            "`{table}` has Iceberg format {}: this version writes format 2",
            metadata.format_version()
        )));
    }
    Ok(())
}
