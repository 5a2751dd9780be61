//! Iceberg tables: what they hold now, and every way to change them.
//!
//! # What the SQL engine (`crate::engine`) uses
//! - [`Tables::load`]: a table's schema, snapshot, data files with statistics; or a view's SQL.
//! - [`Tables::load_location`]: the same of an Iceberg table that is only known by its location.
//! - [`Tables::write`]: a stream of rows into a table, in one commit, once per commit key.
//! - [`Tables::put_view`]: a view, replaced in one commit.
//! - [`Tables::committed`]: what an earlier run with the same key did, to answer without running again.
//!
//! [`Tables`] is a cheap handle: clone it into table providers.

mod alter;
mod chunks;
mod commit;
mod drop;
mod encoder;
mod evolution;
mod files;
mod keyed;
mod keys;
pub(crate) mod layout;
mod load;
mod loaded;
pub(crate) mod maintenance;
pub(crate) mod manifests;
#[cfg(test)]
mod merging_tests;
mod metrics;
mod partial;
pub(crate) mod properties;
mod read;
#[cfg(test)]
mod reading_tests;
mod snapshot;
pub(crate) mod synced;
#[cfg(test)]
mod tests;
mod undo;
mod views;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use asgard_contract::{Result, TableName};
use iceberg::Runtime;
use iceberg::io::FileIO;
use iceberg::spec::{TableMetadata, ViewMetadata};

pub use alter::Change;
pub(crate) use commit::next_location;
pub use load::AsOf;
pub use loaded::TableInfo;
pub(crate) use loaded::{DataFile, Loaded, LoadedTable, LoadedView};
pub(crate) use read::shape;
pub(crate) use undo::Uncommitted;
pub(crate) use views::ViewDefinition;
pub(crate) use write::created_properties;

use crate::catalog::{Catalog, Entry, Found, Kind, RestCatalog, RestConfig, SqliteCatalog};
use crate::storage::{Storage, StorageLocation, Stores, file_io};
use crate::{CatalogConfig, LakehouseConfig, error};

/// What the stream writer builds on.
pub(crate) mod parts {
    pub(crate) use super::commit::{Next, Transaction, check_writable};
    pub(crate) use super::evolution::{created, equal, extended, known, replaced};
    pub(crate) use super::files::{FileWriter, Written};
    pub(crate) use super::keyed::{Incoming, Repeated, without_keys};
    pub(crate) use super::keys::{Changes, Keys, Operation};
    pub(crate) use super::layout::{Layout, Wanted};
    pub(crate) use super::manifests::all_files;
    pub(crate) use super::partial::complete;
    pub(crate) use super::snapshot::{Added, Plan, Removed, write as write_snapshot};
    pub(crate) use super::synced::{SYNC_CHECKPOINT, SYNC_WRITER};
    pub(crate) use super::undo::{Uncommitted, delete};
    pub(crate) use super::write::{changed, created as new_table, finish, notes};
}

/// The environment's tables. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Tables {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").field("warehouse", &self.inner.warehouse).finish_non_exhaustive()
    }
}

/// What a statement read, told when its rows have all been taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reads {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The snapshots that the statement saw, by table.
    pub(crate) inputs: BTreeMap<String, i64>,
}

pub(crate) struct Inner {
    pub(crate) catalog: Catalog,
    pub(crate) io: FileIO,
    /// The places that `io` reads and writes.
    pub(crate) stores: Stores,
    /// Where the Iceberg crate's own reader does its work.
    pub(crate) runtime: Runtime,
    /// Keys of one merge that are in memory at once.
    pub(crate) held_keys: usize,
    /// URL of the folder of tables without a location of their own.
    warehouse: String,
    /// The newest metadata and what was made of it, by table. Metadata files never change, so what was made of one stays true.
    cache: Mutex<HashMap<TableName, Cached>>,
}

struct Cached {
    current: Current,
    loaded: Option<Loaded>,
}

/// A table or view as the catalog has it.
#[derive(Debug, Clone)]
pub(crate) enum Current {
    Table(TableState),
    View(ViewState),
}

/// A table's metadata, and the file it is in.
#[derive(Debug, Clone)]
pub(crate) struct TableState {
    pub(crate) location: String,
    pub(crate) metadata: Arc<TableMetadata>,
}

/// A view's metadata, and the file it is in.
#[derive(Debug, Clone)]
pub(crate) struct ViewState {
    pub(crate) location: String,
    pub(crate) metadata: Arc<ViewMetadata>,
}

impl Current {
    /// URL of the metadata file.
    pub(crate) fn location(&self) -> &str {
        match self {
            Self::Table(table) => &table.location,
            Self::View(view) => &view.location,
        }
    }

    pub(crate) fn table(&self) -> Option<&TableState> {
        match self {
            Self::Table(table) => Some(table),
            Self::View(_) => None,
        }
    }
}

impl Tables {
    /// Opens the tables of a lakehouse; its folder is made if it is not there.
    ///
    /// # Errors
    /// `unavailable` when folder or catalog cannot be opened.
    pub(crate) async fn open(config: &LakehouseConfig) -> Result<Self> {
        let folder = std::path::absolute(&config.folder).map_err(error::io("finding the lakehouse's folder"))?;
        tokio::fs::create_dir_all(&folder).await.map_err(error::io("making the lakehouse's folder"))?;
        let storage = match &config.storage {
            Some(storage) => storage.clone(),
            None => Storage::open(StorageLocation::Local { folder: folder.join("warehouse") })
                .map_err(|error| error.in_field("lakehouse.storage"))?,
        };
        let stores = Stores::default();
        stores.add(&storage)?;
        let catalog = match &config.catalog {
            CatalogConfig::Sqlite => {
                Catalog::Sqlite(SqliteCatalog::open(&folder.join("catalog.db"), &crate::NAMESPACES).await?)
            }
            CatalogConfig::Rest { uri, warehouse, authorization } => {
                let (uri, warehouse, authorization) = (uri.clone(), warehouse.clone(), authorization.clone());
                let config = RestConfig { uri, warehouse, authorization };
                let catalog = RestCatalog::new(config).map_err(|error| error.in_field("lakehouse.catalog"))?;
                Catalog::Rest(Box::new(catalog))
            }
        };
        let inner = Arc::new(Inner {
            catalog,
            io: file_io(&stores),
            stores,
            runtime: Runtime::current(),
            held_keys: keys::HELD_KEYS,
            warehouse: storage.url(),
            cache: Mutex::default(),
        });
        let tables = Self { inner };
        tables.remove_dropped().await?;
        Ok(tables)
    }

    /// Tables and views of a namespace, by name.
    pub(crate) async fn list(&self, namespace: &str) -> Result<Vec<TableName>> {
        Ok(self.inner.catalog.list(Some(namespace)).await?.into_iter().map(|entry| entry.name).collect())
    }

    /// Where the files of a table go that has no location of its own; a URL.
    pub(crate) fn location_of(&self, table: &TableName) -> String {
        self.inner.location_of(table)
    }
}

impl Inner {
    /// URL of the folder of tables without a location of their own.
    pub(crate) fn warehouse(&self) -> &str {
        &self.warehouse
    }

    pub(crate) fn location_of(&self, table: &TableName) -> String {
        format!("{}/{}/{}", self.warehouse, table.namespace, table.name)
    }

    /// The table or view as the catalog has it now.
    pub(crate) async fn current(&self, table: &TableName) -> Result<Option<Current>> {
        match self.catalog.find(table).await? {
            Some(Found::Entry(entry)) => Ok(Some(self.read(&entry).await?)),
            Some(Found::Current(current)) => Ok(Some(self.known(table, current))),
            None => {
                self.lock().remove(table);
                Ok(None)
            }
        }
    }

    /// What is known already of this metadata, and what was made of it; else it is known from now on.
    fn known(&self, table: &TableName, current: Current) -> Current {
        if let Some(cached) = self.lock().get(table)
            && cached.current.location() == current.location()
        {
            return cached.current.clone();
        }
        self.remember(table, current.clone());
        current
    }

    async fn read(&self, entry: &Entry) -> Result<Current> {
        if let Some(cached) = self.lock().get(&entry.name)
            && cached.current.location() == entry.metadata_location
        {
            return Ok(cached.current.clone());
        }
        let location = entry.metadata_location.clone();
        let current = match entry.kind {
            Kind::Table => Current::Table(self.read_table(&location).await?),
            Kind::View => Current::View(views::read(&self.io, &location).await?),
        };
        self.remember(&entry.name, current.clone());
        Ok(current)
    }

    pub(crate) async fn read_table(&self, location: &str) -> Result<TableState> {
        let metadata = TableMetadata::read_from(&self.io, location)
            .await
            .map_err(error::iceberg(format_args!("reading `{location}`")))?;
        Ok(TableState { location: location.to_owned(), metadata: Arc::new(metadata) })
    }

    pub(crate) fn remember(&self, table: &TableName, current: Current) {
        self.lock().insert(table.clone(), Cached { current, loaded: None });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TableName, Cached>> {
        // A panic while the cache is locked leaves it whole: entries are put in at once.
        self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
