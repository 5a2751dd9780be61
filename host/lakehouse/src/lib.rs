//! The lakehouse: Iceberg tables, the catalog they are listed in, and the embedded SQL engine over them.
//!
//! Three layers, each on the one before:
//! - `catalog`: which tables and views there are, and where each one's newest metadata is. A commit is one compare-and-swap
//!   there, so readers see all of it or nothing.
//! - `tables`: what a table is made of, and every way to change it (replace, append, merge, delete-insert, drop).
//! - `engine`: SQL over them. `stream`: rows of a sync, committed together with the sync's checkpoint.
//!
//! Readers always go through the catalog: files that a commit replaced stay on disk for readers that started before it.

mod browse;
mod catalog;
mod engine;
mod error;
mod far_times;
mod floats;
pub mod iceberg_rest;
mod rows;
pub mod storage;
mod stream;
mod tables;
#[cfg(test)]
mod testing;
mod types;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use asgard_capabilities::lakehouse::Engine;
use asgard_contract::environment::Limits;
use asgard_contract::lakehouse::{Output, QueryPlan, Statement, Table, Written};
use asgard_contract::{Error, Progress, Result, TableName};
use async_trait::async_trait;
use tokio::sync::watch;

pub use browse::{RowsQuery, SnapshotInfo, TableColumn, TableDetails};
pub use catalog::{Authorization, Kind as TableKind, Listed as TableEntry};
pub use engine::{Answer, Query};
pub use engine::{check_statement, is_made_up};
pub use rows::{rows_from_json, rows_to_json, time};
pub use stream::{Checkpoint, Staged, StreamTarget, StreamWriter};
pub use tables::maintenance::{Compacted, Due, Expired, Expiry, FEWEST_FILES, OrphanSearch, Orphans};
pub use tables::{AsOf, Change, TableInfo};

use crate::catalog::{Catalog, RestCatalog};
use crate::engine::SqlEngine;
use crate::storage::Storage;
use crate::tables::Tables;

/// The namespaces that there always are.
pub const NAMESPACES: [&str; 3] = ["bronze", "silver", "gold"];

/// Where a lakehouse lives and what its statements may use.
#[derive(Debug, Clone)]
pub struct LakehouseConfig {
    /// Holds the catalog's file (`catalog.db`), if it is one.
    pub folder: PathBuf,
    pub catalog: CatalogConfig,
    /// Where tables go that have no location of their own; none = below `warehouse/` in the folder.
    pub storage: Option<Storage>,
    pub limits: Limits,
}

/// Which tables there are, and who says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CatalogConfig {
    /// A file in the lakehouse's folder.
    #[default]
    Sqlite,
    /// Another program's, by the Iceberg REST protocol.
    Rest { uri: String, warehouse: Option<String>, authorization: Option<Authorization> },
}

/// One environment's tables and the engine over them.
pub struct Lakehouse {
    tables: Tables,
    engine: SqlEngine,
}

impl Lakehouse {
    /// Opens the lakehouse in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// `unavailable` when the folder or the catalog cannot be opened.
    pub async fn open(config: LakehouseConfig) -> Result<Arc<Self>> {
        let tables = Tables::open(&config).await?;
        let engine = SqlEngine::new(tables.clone(), &config.limits)?;
        Ok(Arc::new(Self { tables, engine }))
    }

    /// Lets tables be in a place beside the lakehouse's own, such as a sink's bucket.
    ///
    /// # Errors
    /// `conflict` for a bucket that has the name of another one.
    pub fn add_storage(&self, storage: &Storage) -> Result<()> {
        self.tables.inner.stores.add(storage)
    }

    /// What answers show of a table or view.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn table_info(&self, table: &TableName) -> Result<TableInfo> {
        Ok(self.tables.load(table).await?.info())
    }

    /// Changes a table's columns, layout and properties, in one commit.
    ///
    /// # Errors
    /// `invalid-input` for `changes[n]`, with the reason; `not-found`.
    pub async fn alter(&self, table: &TableName, changes: &[Change]) -> Result<()> {
        self.tables.alter(table, changes).await
    }

    /// Drops a table or view. Its files go when no statement can be reading them any more.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn drop_table(&self, table: &TableName) -> Result<()> {
        self.tables.drop_existing(table).await
    }

    /// Whether a table has something to maintain.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn maintenance_due(&self, table: &TableName, expiry: &Expiry) -> Result<Due> {
        self.tables.maintenance_due(table, expiry).await
    }

    /// Whether a table can be maintained.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` of `name` for a view.
    pub async fn check_maintained(&self, table: &TableName) -> Result<()> {
        self.tables.check_maintained(table).await
    }

    /// Puts small files together, without rows that are marked as deleted. `told` hears how many groups are done, of how many.
    ///
    /// # Errors
    /// `not-found`, and those of storage; what was committed stays.
    pub async fn compact(&self, table: &TableName, told: &(dyn Fn(usize, usize) + Send + Sync)) -> Result<Compacted> {
        self.tables.compact(table, told).await
    }

    /// Forgets snapshots, and deletes files that earlier runs left to statements under way.
    ///
    /// # Errors
    /// `not-found`, and those of catalog and storage.
    pub async fn expire(&self, table: &TableName, expiry: &Expiry) -> Result<Expired> {
        self.tables.expire(table, expiry).await
    }

    /// Finds files in the table's folder that no snapshot has, and deletes them unless it is a dry run.
    ///
    /// # Errors
    /// `not-found`, and those of storage.
    pub async fn remove_orphans(&self, table: &TableName, search: &OrphanSearch) -> Result<Orphans> {
        self.tables.remove_orphans(table, search).await
    }

    /// Whether there are such files: costs what finding them costs. False for a table whose catalog looks after them itself.
    ///
    /// # Errors
    /// `not-found`, and those of storage.
    pub async fn has_orphans(&self, table: &TableName, older_than: Duration) -> Result<bool> {
        self.tables.has_orphans(table, older_than).await
    }

    /// Where the files of a table go that is made without a location of its own; a URL.
    pub fn location_of(&self, table: &TableName) -> String {
        self.tables.location_of(table)
    }

    /// Makes a branch of the catalog, unless it is there: all tables as they are now, apart from those of others until it is merged.
    /// `namespace` is one that will be written. Answers with the address of the catalog on the branch.
    ///
    /// # Errors
    /// `unsupported` for a catalog without branches.
    pub async fn make_branch(&self, name: &str, namespace: &str) -> Result<String> {
        self.branching()?.make_branch(name, namespace).await
    }

    /// Merges a branch, all or nothing, and deletes it. Nothing happens if it is gone.
    ///
    /// # Errors
    /// `conflict` where a table was changed on both; `unsupported`.
    pub async fn merge_branch(&self, name: &str) -> Result<()> {
        self.branching()?.merge_branch(name).await
    }

    /// Deletes a branch. Nothing happens if there is none.
    ///
    /// # Errors
    /// `unsupported` for a catalog without branches.
    pub async fn delete_branch(&self, name: &str) -> Result<()> {
        self.branching()?.delete_branch(name).await
    }

    /// Whether the catalog has branches.
    ///
    /// # Errors
    /// `unsupported`, with the reason, when it has none.
    pub async fn check_branches(&self) -> Result<()> {
        self.branching()?.check_branches().await
    }

    fn branching(&self) -> Result<&RestCatalog> {
        match &self.tables.inner.catalog {
            Catalog::Rest(catalog) => Ok(catalog),
            Catalog::Sqlite(_) => Err(Error::unsupported(
                "the environment's catalog is a file of the host, which has no branches: Nessie has, under `lakehouse.catalog`",
            )),
        }
    }

    /// The last checkpoint that `owner` committed to the table.
    ///
    /// # Errors
    /// Those of catalog and storage.
    pub async fn checkpoint(&self, table: &TableName, owner: &str) -> Result<Option<Checkpoint>> {
        stream::checkpoint(&self.tables, table, owner).await
    }

    /// Lets go of a table that an ingestion fills no more: its checkpoint is taken out, and the table may be changed as any other.
    /// Nothing happens where there is no table, or one of another ingestion.
    ///
    /// # Errors
    /// Those of catalog and storage.
    pub async fn release(&self, table: &TableName, ingestion: &str) -> Result<()> {
        stream::release(&self.tables, table, ingestion).await
    }

    /// Opens a table for the rows of one stream of a sync; it is made or evolved as the columns say. Whoever had it open
    /// before cannot commit any more.
    ///
    /// # Errors
    /// `invalid-input` when the columns do not fit a table that keeps its rows, and those of catalog and storage.
    pub async fn stream_writer(&self, target: StreamTarget) -> Result<StreamWriter> {
        StreamWriter::open(self.tables.clone(), target).await
    }
}

#[async_trait]
impl Engine for Lakehouse {
    async fn tables(&self, namespace: &str) -> Result<Vec<TableName>> {
        self.tables.list(namespace).await
    }

    async fn describe(&self, table: &TableName) -> Result<Table> {
        Ok(self.tables.load(table).await?.describe())
    }

    async fn data_files(&self, table: &TableName) -> Result<Vec<String>> {
        Ok(self.tables.load(table).await?.data_files())
    }

    async fn drop_table(&self, table: &TableName) -> Result<()> {
        self.tables.drop(table).await
    }

    async fn plan(&self, statement: &Statement) -> Result<QueryPlan> {
        self.engine.plan(statement).await
    }

    async fn query(&self, statement: &Statement, max_rows: u32) -> Result<Vec<u8>> {
        self.engine.query(statement, max_rows).await
    }

    async fn run(
        &self,
        key: &str,
        statement: Statement,
        output: Output,
        progress: watch::Sender<Progress>,
    ) -> Result<Written> {
        self.engine.run(key, statement, output, progress).await
    }
}
