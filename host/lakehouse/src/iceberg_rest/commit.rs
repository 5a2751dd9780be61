//! Commits of clients: requirements and updates, of one table or of several at once.

use std::time::Duration;

use asgard_contract::TableName;
use iceberg::spec::{TableMetadataBuildResult, TableMetadataBuilder};
use iceberg::{TableRequirement, TableUpdate};

use super::wire::{CommitTable, CommitTransaction, CommittedTable};
use super::{RestError, RestResult, ServedCatalog, create, names, rules};
use crate::catalog::{Kind, Swap};
use crate::error;
use crate::tables::{Current, TableState, Uncommitted, created_properties, next_location};

/// Each attempt that loses means that another commit won; requirements usually end this much earlier.
const ATTEMPTS: u32 = 20;

const PAUSE: Duration = Duration::from_millis(10);

/// One table's part of a commit, made and not yet in the catalog.
struct Prepared {
    table: TableName,
    before: Option<String>,
    location: String,
    built: TableMetadataBuildResult,
}

impl ServedCatalog {
    /// Changes one table.
    ///
    /// # Errors
    /// [`RestError::CommitFailed`] for a requirement that is not met, [`RestError::NoSuchTable`], and what [`rules`] refuse.
    pub async fn commit_table(
        &self,
        namespace: &[String],
        name: &str,
        commit: CommitTable,
    ) -> RestResult<CommittedTable> {
        let table = names::known(namespace, name);
        if let Some(other) = commit.identifier.as_ref().map(names::identified).filter(|other| *other != table) {
            return Err(RestError::bad(format!("identifier: it is `{other}`, and the path says `{table}`")));
        }
        let mut committed = self.commit_all(&[(table, commit)]).await?;
        committed.pop().ok_or_else(|| RestError::bad("updates: there are none"))
    }

    /// Changes several tables, all or none.
    ///
    /// # Errors
    /// As [`ServedCatalog::commit_table`], for any of them.
    pub async fn commit_transaction(&self, transaction: CommitTransaction) -> RestResult<()> {
        let mut changes = Vec::new();
        for (index, change) in transaction.table_changes.into_iter().enumerate() {
            let Some(identifier) = &change.identifier else {
                return Err(RestError::bad(format!("table-changes[{index}].identifier: is missing")));
            };
            let table = names::identified(identifier);
            if changes.iter().any(|(other, _)| *other == table) {
                return Err(RestError::bad(format!(
                    "table-changes[{index}].identifier: `{table}` is in the transaction twice: put its updates together"
                )));
            }
            changes.push((table, change));
        }
        self.commit_all(&changes).await?;
        Ok(())
    }

    async fn commit_all(&self, changes: &[(TableName, CommitTable)]) -> RestResult<Vec<CommittedTable>> {
        for attempt in 0..ATTEMPTS {
            // What this attempt writes goes again unless it wins.
            let written = Uncommitted::default();
            let mut prepared = Vec::new();
            for (table, change) in changes {
                prepared.push(self.prepare(table, change, &written).await?);
            }
            let swaps: Vec<Swap<'_>> = prepared.iter().map(Prepared::swap).collect();
            written.hold();
            let done = self.catalog.swap_all(&swaps).await;
            if done.map_err(|error| RestError::CommitStateUnknown(error.to_string()))? {
                return Ok(prepared.into_iter().map(|prepared| self.committed(prepared)).collect());
            }
            written.release();
            tokio::time::sleep(PAUSE * attempt).await;
        }
        Err(RestError::CommitFailed("other commits came in between too many times: try again".to_owned()))
    }

    async fn prepare(&self, table: &TableName, change: &CommitTable, written: &Uncommitted) -> RestResult<Prepared> {
        let current = self.inner().current(table).await?;
        let state = match &current {
            Some(Current::View(_)) => return Err(RestError::CommitFailed(format!("`{table}` is a view"))),
            Some(Current::Table(state)) => Some(state),
            None => None,
        };
        let creates = change.requirements.iter().any(|requirement| matches!(requirement, TableRequirement::NotExist));
        if state.is_none() && !creates {
            return Err(RestError::NoSuchTable(table.clone()));
        }
        for requirement in &change.requirements {
            requirement.check(state.map(|state| state.metadata.as_ref()))?;
        }
        let mut builder = match state {
            Some(state) => {
                TableMetadataBuilder::new_from_metadata(state.metadata.as_ref().clone(), Some(state.location.clone()))
            }
            None => self.first(table, &change.updates).await?,
        };
        for update in &change.updates {
            self.check_update(table, update, state).await?;
            builder = update.clone().apply(builder)?;
        }
        let built = builder.build()?;
        rules::check(self.inner(), &built.metadata, state).await?;
        let location = next_location(current.as_ref(), &built.metadata)?;
        written.add(&self.inner().io, location.to_string());
        built
            .metadata
            .write_to(&self.inner().io, &location)
            .await
            .map_err(error::iceberg("writing a table's metadata"))?;
        let before = state.map(|state| state.location.clone());
        Ok(Prepared { table: table.clone(), before, location: location.to_string(), built })
    }

    async fn first(&self, table: &TableName, updates: &[TableUpdate]) -> RestResult<TableMetadataBuilder> {
        self.new_name(std::slice::from_ref(&table.namespace), &table.name, None).await?;
        let chosen = updates.iter().find_map(|update| match update {
            TableUpdate::SetLocation { location } => Some(location),
            _ => None,
        });
        let location = match chosen {
            Some(location) => self.free_location(table, location).await?,
            None => self.new_location(table).await?,
        };
        let metadata = create::first_metadata(updates, &location)?;
        let builder = TableMetadataBuilder::new_from_metadata(metadata, None);
        Ok(builder.set_properties(created_properties())?)
    }

    /// A table that moves must not move into another one's folder.
    async fn check_update(
        &self,
        table: &TableName,
        update: &TableUpdate,
        state: Option<&TableState>,
    ) -> RestResult<()> {
        match update {
            TableUpdate::SetLocation { location }
                if state.is_none_or(|state| rules::plain(state.metadata.location()) != rules::plain(location)) =>
            {
                self.free_location(table, location).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    fn committed(&self, prepared: Prepared) -> CommittedTable {
        let Prepared { table, location, built, .. } = prepared;
        self.inner().delete_old_metadata(&built);
        let state = TableState { location, metadata: built.metadata.into() };
        self.inner().remember(&table, Current::Table(state.clone()));
        CommittedTable { metadata_location: state.location, metadata: state.metadata }
    }
}

impl Prepared {
    fn swap(&self) -> Swap<'_> {
        Swap { table: &self.table, expected: self.before.as_deref(), kind: Kind::Table, metadata: &self.location }
    }
}
