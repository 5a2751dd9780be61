//! Dropping tables.
//!
//! A dropped table is gone from the catalog at once. Its files stay for an hour, longer than a statement may run, and go when
//! the next table is dropped or the lakehouse is opened. They are found by the table's metadata, not by its folder: a new table
//! of the same name may live there by then.

use std::time::Duration;

use asgard_contract::{Result, TableName};
use iceberg::table::Table;
use iceberg::{TableIdent, drop_table_data};

use super::{Tables, maintenance};
use crate::catalog::{Catalog, Files};
use crate::error;

const KEPT_FOR: Duration = Duration::from_secs(3600);

impl Tables {
    /// Drops a table or view that there is.
    ///
    /// # Errors
    /// `not-found`.
    pub(crate) async fn drop_existing(&self, table: &TableName) -> Result<()> {
        if self.inner.current(table).await?.is_none() {
            return Err(self.not_found(table).await?);
        }
        self.drop(table).await
    }

    /// Drops a table or view; nothing happens if there is none.
    pub(crate) async fn drop(&self, table: &TableName) -> Result<()> {
        match &self.inner.catalog {
            Catalog::Sqlite(catalog) => {
                while let Some(entry) = catalog.get(table).await? {
                    // False: it was changed meanwhile, and the newer one is dropped.
                    if catalog.remove(&entry, Files::Deleted).await? {
                        break;
                    }
                }
            }
            Catalog::Rest(catalog) => {
                if let Some(current) = self.inner.current(table).await? {
                    catalog.remove(table, &current).await?;
                }
            }
        }
        self.remove_dropped().await
    }

    /// Deletes the files of tables that were dropped long enough ago.
    pub(crate) async fn remove_dropped(&self) -> Result<()> {
        self.remove_dropped_before(KEPT_FOR).await
    }

    pub(crate) async fn remove_dropped_before(&self, age: Duration) -> Result<()> {
        // Another program's catalog removes files itself.
        let Catalog::Sqlite(catalog) = &self.inner.catalog else { return Ok(()) };
        for location in catalog.dropped(age).await? {
            // What cannot be deleted now is tried again the next time.
            match self.remove_files(&location).await {
                Ok(()) => catalog.forget_dropped(&location).await?,
                Err(error) => tracing::warn!(location, %error, "the files of a dropped table could not all be deleted"),
            }
        }
        Ok(())
    }

    async fn remove_files(&self, metadata_location: &str) -> Result<()> {
        let what = || error::iceberg(format!("deleting the files of `{metadata_location}`"));
        if !self.inner.io.exists(metadata_location).await.map_err(what())? {
            return Ok(());
        }
        let state = self.inner.read_table(metadata_location).await?;
        // Files that expired snapshots left are in no snapshot any more.
        maintenance::delete_all_left(&self.inner.io, &state.metadata).await?;
        let table = Table::builder()
            .identifier(TableIdent::from_strs(["lakehouse", "dropped"]).map_err(what())?)
            .metadata(state.metadata)
            .metadata_location(state.location)
            .file_io(self.inner.io.clone())
            .runtime(self.inner.runtime.clone())
            .build()
            .map_err(what())?;
        drop_table_data(&table).await.map_err(what())
    }
}
