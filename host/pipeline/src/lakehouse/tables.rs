//! Looking at tables, asking them, changing them.

use std::time::Duration;

use asgard_contract::lakehouse::{Dialect, Statement};
use asgard_contract::{Column, Error, Result, TableName};
use asgard_lakehouse::{Answer, AsOf, Change, Query, RowsQuery, SnapshotInfo, TableDetails, TableEntry, rows_to_json};
use serde_json::{Map, Value};

use crate::environments::Active;
use crate::{Page, Paged, Pipeline};

/// A statement that a person asks.
#[derive(Debug, Clone)]
pub struct Question {
    pub sql: String,
    pub dialect: Dialect,
    pub as_of: Option<AsOf>,
    pub max_rows: u32,
    pub time: Option<Duration>,
    pub memory_bytes: Option<u64>,
}

/// Rows, and where they are from.
#[derive(Debug, Clone)]
pub struct Rows {
    pub columns: Vec<Column>,
    pub rows: Vec<Map<String, Value>>,
    /// Whether there are more.
    pub more: bool,
    pub snapshots: Vec<(TableName, Option<i64>)>,
}

impl Rows {
    fn of(answer: &Answer) -> Result<Self> {
        Ok(Self {
            columns: answer.columns.clone(),
            rows: rows_to_json(&answer.rows)?,
            more: answer.more,
            snapshots: answer.snapshots.clone(),
        })
    }
}

impl Pipeline {
    /// Tables and views, by name; of one namespace, or of all.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn tables(&self, active: &Active, namespace: Option<&str>, page: Page) -> Result<Paged<TableEntry>> {
        Ok(part(active.lakehouse.entries(namespace).await?, page))
    }

    /// What a table or view is made of.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for `as_of`.
    pub async fn table(&self, active: &Active, table: &TableName, as_of: Option<AsOf>) -> Result<TableDetails> {
        active.lakehouse.details(table, as_of).await
    }

    /// A table's commits, newest first.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn table_snapshots(&self, active: &Active, table: &TableName, page: Page) -> Result<Paged<SnapshotInfo>> {
        Ok(part(active.lakehouse.snapshots(table).await?, page))
    }

    /// A page of a table's rows.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for `columns` and `as_of`.
    pub async fn table_rows(&self, active: &Active, table: &TableName, query: &RowsQuery) -> Result<Rows> {
        Rows::of(&active.lakehouse.rows(table, query).await?)
    }

    /// Changes a table's columns, layout and properties, in one commit.
    ///
    /// # Errors
    /// `invalid-input` for `changes[n]`; `not-found`.
    pub async fn alter_table(&self, active: &Active, table: &TableName, changes: &[Change]) -> Result<TableDetails> {
        if changes.is_empty() {
            return Err(Error::invalid("changes", "expected one change at least"));
        }
        active.lakehouse.alter(table, changes).await?;
        active.lakehouse.details(table, None).await
    }

    /// Drops a table or view. One that an ingestion fills begins anew with its next sync.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn drop_table(&self, active: &Active, table: &TableName) -> Result<()> {
        active.lakehouse.drop_table(table).await
    }

    /// Runs a statement that only reads, within limits.
    ///
    /// # Errors
    /// `invalid-input` for `sql`, with line and column.
    pub async fn ask(&self, active: &Active, question: Question) -> Result<Rows> {
        let statement = Statement { sql: question.sql, dialect: question.dialect, inputs: Vec::new() };
        let query = Query {
            statement,
            as_of: question.as_of,
            offset: 0,
            max_rows: question.max_rows,
            time: question.time,
            memory_bytes: question.memory_bytes,
        };
        Rows::of(&active.lakehouse.ask(&query).await?)
    }
}

fn part<T>(all: Vec<T>, page: Page) -> Paged<T> {
    let total = all.len() as u64;
    let from = usize::try_from(page.offset).unwrap_or(usize::MAX);
    Paged { items: all.into_iter().skip(from).take(page.limit as usize).collect(), total }
}
