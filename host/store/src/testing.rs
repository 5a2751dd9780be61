//! Stores for tests: on SQLite, or on the PostgreSQL server that `ASGARD_TEST_DATABASE_URL` names.
//!
//! A test thinks of a folder as of a database. On PostgreSQL each folder is a schema of its own, so tests do not see each other,
//! and stores that are opened in one folder share their rows as they do on SQLite.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use sqlx::{Connection, Executor};

use crate::{KeySource, Store, StoreConfig, StoreError, StoreResult};

/// Names the server.
pub const DATABASE_URL: &str = "ASGARD_TEST_DATABASE_URL";

/// Whether tests run on PostgreSQL.
pub fn on_postgres() -> bool {
    std::env::var_os(DATABASE_URL).is_some()
}

/// The store of a test's folder.
///
/// # Errors
/// As [`Store::open`].
pub async fn open(folder: &Path) -> StoreResult<Store> {
    Store::open_with(folder, StoreConfig { database_url: url(folder).await?, ..StoreConfig::default() }).await
}

/// The store of another host, with the folder `own`, on the database of `folder`; none on SQLite, which has one host.
///
/// # Errors
/// As [`Store::open`].
pub async fn open_other_host(folder: &Path, own: &Path) -> StoreResult<Option<Store>> {
    let Some(url) = url(folder).await? else { return Ok(None) };
    let key = KeySource::File(folder.join("secret.key"));
    Store::open_with(own, StoreConfig { database_url: Some(url), key }).await.map(Some)
}

/// Runs a statement beside the store, as another program would.
///
/// # Errors
/// Those of the database.
pub async fn execute(folder: &Path, statement: &str) -> StoreResult<()> {
    sqlx::any::install_default_drivers();
    let file = format!("sqlite://{}", folder.join("asgard.db").display());
    let mut connection = sqlx::AnyConnection::connect(&url(folder).await?.unwrap_or(file)).await?;
    connection.execute(statement).await?;
    Ok(connection.close().await?)
}

/// Where the rows of a test's folder are; none on SQLite.
///
/// # Errors
/// Those of the server.
pub async fn url(folder: &Path) -> StoreResult<Option<String>> {
    let Ok(server) = std::env::var(DATABASE_URL) else { return Ok(None) };
    sqlx::any::install_default_drivers();
    let mut hasher = DefaultHasher::new();
    (folder, std::process::id()).hash(&mut hasher);
    let schema = format!("test_{:016x}", hasher.finish());
    let mut connection = sqlx::AnyConnection::connect(&server).await?;
    // Two that open one folder at once make one schema: the lock is the session's, and ends with it.
    let script = format!("SELECT pg_advisory_lock(1)::text; CREATE SCHEMA IF NOT EXISTS {schema}");
    connection.execute(script.as_str()).await?;
    connection.close().await?;
    let mut url = url::Url::parse(&server).map_err(|error| StoreError::Folder(error.to_string()))?;
    url.query_pairs_mut().append_pair("options[search_path]", &schema);
    Ok(Some(url.into()))
}
