//! Iceberg tables: what they hold now, and every way to change them.
//!
//! # What the SQL engine (`crate::engine`) uses
//! - [`Tables::load`]: a table's schema, snapshot, data files with statistics; or a view's SQL.
//! - [`Tables::load_location`]: the same of an Iceberg table that is only known by its location.
//! - [`Tables::write`]: a stream of rows into a table, in one commit, once per commit key.
//! - [`Tables::put_view`]: a view, replaced in one commit.
//! - [`Tables::committed`]: what an earlier run with the same key did, to answer without running again.
//!
//! `SqlEngine::new(Tables, &Limits) -> Result<SqlEngine>`, and its methods `plan`, `query`, `run` are what `crate::Lakehouse`
//! delegates to. [`Tables`] is a cheap handle: clone it into table providers.

mod loaded;

use std::path::Path;

use asgard_contract::lakehouse::{Dialect, TableWrite, Written};
use asgard_contract::{Error, Result, TableName};
use datafusion::execution::SendableRecordBatchStream;

pub(crate) use loaded::{DataFile, Loaded, LoadedTable, LoadedView};
pub use loaded::TableInfo;

/// The environment's tables. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Tables {}

/// What a statement read, told when its rows have all been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reads {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// A view to be put.
#[derive(Debug, Clone)]
pub(crate) struct ViewDefinition {
    pub(crate) sql: String,
    pub(crate) dialect: Dialect,
    /// Of the view's rows.
    pub(crate) schema: datafusion::arrow::datatypes::SchemaRef,
}

impl Tables {
    pub(crate) async fn open(_folder: &Path) -> Result<Self> {
        Ok(Self {})
    }

    /// Tables and views of a namespace, by name.
    pub(crate) async fn list(&self, _namespace: &str) -> Result<Vec<TableName>> {
        Err(Error::internal("unfinished"))
    }

    /// A table or view as it is now.
    ///
    /// # Errors
    /// `not-found`, naming the nearest that there is.
    pub(crate) async fn load(&self, _table: &TableName) -> Result<Loaded> {
        Err(Error::internal("unfinished"))
    }

    /// The Iceberg table at a location (`file:///…`), if there is one: the catalog's if it knows one there, otherwise by its
    /// newest metadata file. None: the location holds no Iceberg table (it may hold plain Parquet files).
    pub(crate) async fn load_location(&self, _location: &str) -> Result<Option<LoadedTable>> {
        Err(Error::internal("unfinished"))
    }

    /// Where the files of a table go that has no location of its own.
    pub(crate) fn location_of(&self, table: &TableName) -> String {
        format!("{}/{}", table.namespace, table.name)
    }

    /// What an earlier write with this key did to the table or view.
    pub(crate) async fn committed(&self, _table: &TableName, _key: &str) -> Result<Option<Written>> {
        Err(Error::internal("unfinished"))
    }

    /// Writes a stream of rows, in one commit. A table that is not there is made with the rows' columns, all nullable.
    /// `reads` is asked once, after the last row. Dropping the future undoes what was written so far. With a key that has
    /// been committed before, `rows` is not polled and the answer is the one of then.
    ///
    /// # Errors
    /// `invalid-input` for columns that do not fit, for a key that is no column, and for two rows of a merge that update the
    /// same row; errors of the stream as they come (a contract error inside of an external DataFusion error is taken out).
    pub(crate) async fn write(
        &self,
        _write: &TableWrite,
        _key: &str,
        _rows: SendableRecordBatchStream,
        _reads: &(dyn Fn() -> Reads + Send + Sync),
    ) -> Result<Written> {
        Err(Error::internal("unfinished"))
    }

    /// Makes or replaces a view.
    ///
    /// # Errors
    /// `conflict` when a table has the name.
    pub(crate) async fn put_view(&self, _view: &TableName, _key: &str, _definition: ViewDefinition) -> Result<Written> {
        Err(Error::internal("unfinished"))
    }

    /// Drops a table or view; nothing happens if there is none.
    pub(crate) async fn drop(&self, _table: &TableName) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
}
