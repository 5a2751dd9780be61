//! The catalog as one SQLite file: which tables and views there are, and where the newest metadata of each one is.
//!
//! It is in the schema of Iceberg's JDBC catalog, so other programs open it as it is: PyIceberg's
//! `SqlCatalog("iceberg", uri="sqlite:///…/catalog.db")` reads the same tables. The file is the only thing that changes in
//! place. A commit is one compare-and-swap on `metadata_location`: of two writers that started from the same metadata one
//! wins, and the other finds out and starts again from what the winner made.
//!
//! Dropped tables are remembered in a table of our own until their files have been removed: a reader that found the table
//! before it was dropped goes on reading for as long as a statement may run.

mod namespaces;

use std::path::Path;
use std::time::Duration;

use asgard_contract::{Result, TableName};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{FromRow, Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::error;

/// The catalog's name in its own tables, and the lakehouse's in SQL.
pub(crate) const NAME: &str = "iceberg";

/// How long a writer waits for another's transaction; each takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Enough for a few requests at a time; SQLite lets one write and the others read.
const CONNECTIONS: u32 = 4;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS iceberg_tables (
    catalog_name VARCHAR(255) NOT NULL,
    table_namespace VARCHAR(255) NOT NULL,
    table_name VARCHAR(255) NOT NULL,
    metadata_location VARCHAR(1000),
    previous_metadata_location VARCHAR(1000),
    iceberg_type VARCHAR(5) DEFAULT 'TABLE',
    PRIMARY KEY (catalog_name, table_namespace, table_name)
);
CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
    catalog_name VARCHAR(255) NOT NULL,
    namespace VARCHAR(255) NOT NULL,
    property_key VARCHAR(255) NOT NULL,
    property_value VARCHAR(1000) NOT NULL,
    PRIMARY KEY (catalog_name, namespace, property_key)
);
CREATE TABLE IF NOT EXISTS asgard_dropped (
    metadata_location VARCHAR(1000) PRIMARY KEY,
    dropped_at INTEGER NOT NULL
);";

/// What an entry's metadata describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Table,
    View,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
        }
    }
}

/// One table or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: TableName,
    pub(crate) kind: Kind,
    /// URL of the newest metadata file.
    pub(crate) metadata_location: String,
}

/// What becomes of a dropped table's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// They go when nobody can be reading them any more.
    Deleted,
    /// They stay, for whoever registers the table again.
    Kept,
}

/// New metadata for one name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Swap<'a> {
    pub(crate) table: &'a TableName,
    /// The metadata it is made from; none = the name must be free.
    pub(crate) expected: Option<&'a str>,
    pub(crate) kind: Kind,
    pub(crate) metadata: &'a str,
}

impl Swap<'_> {
    async fn run(&self, connection: &mut SqliteConnection) -> Result<bool> {
        let query = match self.expected {
            None => sqlx::query(
                "INSERT INTO iceberg_tables (metadata_location, iceberg_type, catalog_name, table_namespace, table_name)
                 VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            ),
            Some(_) => sqlx::query(
                "UPDATE iceberg_tables
                 SET metadata_location = ?1, iceberg_type = ?2, previous_metadata_location = metadata_location
                 WHERE catalog_name = ?3 AND table_namespace = ?4 AND table_name = ?5 AND metadata_location = ?6",
            ),
        };
        let query = query
            .bind(self.metadata)
            .bind(self.kind.as_str())
            .bind(NAME)
            .bind(&self.table.namespace)
            .bind(&self.table.name);
        let query = match self.expected {
            None => query,
            Some(expected) => query.bind(expected),
        };
        let what = format!("committing to `{}`", self.table);
        let done = query.execute(connection).await.map_err(error::catalog(what))?;
        Ok(done.rows_affected() == 1)
    }
}

#[derive(FromRow)]
struct Row {
    table_namespace: String,
    table_name: String,
    metadata_location: String,
    iceberg_type: Option<String>,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        Self {
            name: TableName::new(row.table_namespace, row.table_name),
            // Older writers leave the type out: theirs are tables.
            kind: if row.iceberg_type.as_deref() == Some("VIEW") { Kind::View } else { Kind::Table },
            metadata_location: row.metadata_location,
        }
    }
}

const ENTRIES: &str = "SELECT table_namespace, table_name, metadata_location, iceberg_type FROM iceberg_tables
    WHERE catalog_name = 'iceberg' AND metadata_location IS NOT NULL";

/// The catalog's file, open.
#[derive(Debug, Clone)]
pub(crate) struct SqliteCatalog {
    pool: SqlitePool,
}

impl SqliteCatalog {
    /// Opens the file, which is made if it is not there, with the namespaces that there always are.
    pub(crate) async fn open(file: &Path, namespaces: &[&str]) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit that was answered is on the disk.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(options)
            .await
            .map_err(error::catalog(format_args!("opening `{}`", file.display())))?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await.map_err(error::catalog("making its tables"))?;
        for namespace in namespaces {
            sqlx::query(
                "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
                 VALUES (?, ?, 'exists', 'true') ON CONFLICT DO NOTHING",
            )
            .bind(NAME)
            .bind(namespace)
            .execute(&pool)
            .await
            .map_err(error::catalog("making its namespaces"))?;
        }
        Ok(Self { pool })
    }

    /// All tables and views, by namespace and name.
    pub(crate) async fn entries(&self) -> Result<Vec<Entry>> {
        let rows: Vec<Row> = sqlx::query_as(&format!("{ENTRIES} ORDER BY table_namespace, table_name"))
            .fetch_all(&self.pool)
            .await
            .map_err(error::catalog("listing tables"))?;
        Ok(rows.into_iter().map(Entry::from).collect())
    }

    pub(crate) async fn get(&self, table: &TableName) -> Result<Option<Entry>> {
        let row: Option<Row> = sqlx::query_as(&format!("{ENTRIES} AND table_namespace = ? AND table_name = ?"))
            .bind(&table.namespace)
            .bind(&table.name)
            .fetch_optional(&self.pool)
            .await
            .map_err(error::catalog(format_args!("looking for `{table}`")))?;
        Ok(row.map(Entry::from))
    }

    /// Puts new metadata in the place of `expected`; none = the name must be free. False: it is not as expected, and nothing
    /// has changed.
    pub(crate) async fn swap(
        &self,
        table: &TableName,
        expected: Option<&str>,
        kind: Kind,
        metadata: &str,
    ) -> Result<bool> {
        self.swap_all(&[Swap { table, expected, kind, metadata }]).await
    }

    /// A transaction that locks first: two that both read and then write would refuse each other instead of waiting.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>> {
        let pool = self.pool.clone();
        // In a task of its own: given up halfway, a `BEGIN` of one's own wording leaves a connection in a transaction that
        // nobody ends. So it comes to its end, and what nobody waits for is rolled back.
        let begun = tokio::spawn(async move { pool.begin_with("BEGIN IMMEDIATE").await });
        begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed)).map_err(error::catalog("beginning a commit"))
    }

    /// All of these swaps or none of them.
    pub(crate) async fn swap_all(&self, swaps: &[Swap<'_>]) -> Result<bool> {
        let mut transaction = self.write().await?;
        for swap in swaps {
            if !swap.run(&mut transaction).await? {
                transaction.rollback().await.map_err(error::catalog("undoing a commit"))?;
                return Ok(false);
            }
        }
        transaction.commit().await.map_err(error::catalog("committing"))?;
        Ok(true)
    }

    /// Gives a table or view another name; its files stay where they are. False: it is not as the entry says any more, or
    /// the new name is taken.
    pub(crate) async fn rename(&self, entry: &Entry, to: &TableName) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE OR IGNORE iceberg_tables SET table_namespace = ?, table_name = ?
             WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?",
        )
        .bind(&to.namespace)
        .bind(&to.name)
        .bind(NAME)
        .bind(&entry.name.namespace)
        .bind(&entry.name.name)
        .bind(&entry.metadata_location)
        .execute(&self.pool)
        .await
        .map_err(error::catalog(format_args!("renaming `{}`", entry.name)))?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes a table or view out. False: it is not as the entry says any more.
    pub(crate) async fn remove(&self, entry: &Entry, files: Files) -> Result<bool> {
        let what = format!("dropping `{}`", entry.name);
        let mut transaction = self.pool.begin().await.map_err(error::catalog(&what))?;
        let removed = sqlx::query(
            "DELETE FROM iceberg_tables
             WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?",
        )
        .bind(NAME)
        .bind(&entry.name.namespace)
        .bind(&entry.name.name)
        .bind(&entry.metadata_location)
        .execute(&mut *transaction)
        .await
        .map_err(error::catalog(&what))?;
        if removed.rows_affected() == 1 && entry.kind == Kind::Table && files == Files::Deleted {
            self.remember(&mut transaction, &entry.metadata_location).await?;
        }
        transaction.commit().await.map_err(error::catalog(&what))?;
        Ok(removed.rows_affected() == 1)
    }

    /// Remembers a table as dropped that a view has taken the place of.
    pub(crate) async fn remember_dropped(&self, metadata_location: &str) -> Result<()> {
        let mut connection = self.pool.acquire().await.map_err(error::catalog("remembering a dropped table"))?;
        self.remember(&mut connection, metadata_location).await
    }

    async fn remember(&self, connection: &mut SqliteConnection, metadata_location: &str) -> Result<()> {
        sqlx::query("INSERT INTO asgard_dropped (metadata_location, dropped_at) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(metadata_location)
            .bind(chrono::Utc::now().timestamp())
            .execute(connection)
            .await
            .map_err(error::catalog("remembering a dropped table"))?;
        Ok(())
    }

    /// Metadata of tables that were dropped longer ago than `age`.
    pub(crate) async fn dropped(&self, age: Duration) -> Result<Vec<String>> {
        let before = chrono::Utc::now().timestamp().saturating_sub_unsigned(age.as_secs());
        sqlx::query_scalar("SELECT metadata_location FROM asgard_dropped WHERE dropped_at <= ?")
            .bind(before)
            .fetch_all(&self.pool)
            .await
            .map_err(error::catalog("listing dropped tables"))
    }

    /// The files of a dropped table are gone.
    pub(crate) async fn forget_dropped(&self, metadata_location: &str) -> Result<()> {
        sqlx::query("DELETE FROM asgard_dropped WHERE metadata_location = ?")
            .bind(metadata_location)
            .execute(&self.pool)
            .await
            .map_err(error::catalog("forgetting a dropped table"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn catalog(folder: &Path) -> SqliteCatalog {
        SqliteCatalog::open(&folder.join("catalog.db"), &["silver"]).await.unwrap()
    }

    #[tokio::test]
    async fn of_two_commits_from_the_same_metadata_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (catalog(folder.path()).await, catalog(folder.path()).await);
        let table = TableName::new("silver", "a");
        assert!(one.swap(&table, None, Kind::Table, "m1").await.unwrap());
        assert!(!two.swap(&table, None, Kind::Table, "m2").await.unwrap());
        assert!(two.swap(&table, Some("m1"), Kind::Table, "m3").await.unwrap());
        assert!(!one.swap(&table, Some("m1"), Kind::Table, "m4").await.unwrap());
        assert_eq!(one.get(&table).await.unwrap().unwrap().metadata_location, "m3");
    }

    #[tokio::test]
    async fn commits_that_are_given_up_at_any_moment_leave_the_catalog_open() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = catalog(folder.path()).await;
        for step in 0..300 {
            let table = TableName::new("silver", format!("t{step}"));
            let commit = catalog.swap(&table, None, Kind::Table, "m1");
            let _ = tokio::time::timeout(Duration::from_micros(step * 5), commit).await;
        }
        assert!(catalog.swap(&TableName::new("silver", "last"), None, Kind::Table, "m1").await.unwrap());
    }

    #[tokio::test]
    async fn a_reopened_catalog_has_what_was_committed() {
        let folder = tempfile::tempdir().unwrap();
        let view = TableName::new("gold", "v");
        catalog(folder.path()).await.swap(&view, None, Kind::View, "m1").await.unwrap();
        let entry = catalog(folder.path()).await.get(&view).await.unwrap().unwrap();
        assert_eq!(entry, Entry { name: view, kind: Kind::View, metadata_location: "m1".into() });
    }

    #[tokio::test]
    async fn a_dropped_table_is_remembered_until_its_files_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = catalog(folder.path()).await;
        let table = TableName::new("silver", "a");
        catalog.swap(&table, None, Kind::Table, "m1").await.unwrap();
        let entry = catalog.get(&table).await.unwrap().unwrap();
        assert!(catalog.remove(&entry, Files::Deleted).await.unwrap());
        assert!(!catalog.remove(&entry, Files::Deleted).await.unwrap());
        assert!(catalog.dropped(Duration::from_secs(60)).await.unwrap().is_empty());
        assert_eq!(catalog.dropped(Duration::ZERO).await.unwrap(), ["m1"]);
        catalog.forget_dropped("m1").await.unwrap();
        assert!(catalog.dropped(Duration::ZERO).await.unwrap().is_empty());
    }
}
