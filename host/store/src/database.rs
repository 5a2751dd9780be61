//! Opening the database, and the two ways into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::secrets::Cipher;
use crate::{StoreError, StoreResult};

/// The database file in the data folder.
const FILE: &str = "asgard.db";

/// Held while one process creates or migrates the database, so that a second one waits instead of failing halfway.
const OPENING_LOCK: &str = "asgard.db.opening";

/// How long a write waits for another process on the same file. A commit takes milliseconds; a copy of the file by a backup
/// takes seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads that run at once. They are short and the API's concurrency is higher: more connections only cost memory.
const READERS: u32 = 4;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The host's memory. Cloning is cheap; all clones share the connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    readers: SqlitePool,
    writer: SqlitePool,
    cipher: Cipher,
    folder: PathBuf,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("folder", &self.inner.folder).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database in `folder`, makes it when it does not exist, and brings it up to date. Several processes may have
    /// the same folder open.
    ///
    /// # Errors
    /// [`StoreError::Folder`] when folder, database or key cannot be used.
    pub async fn open(folder: &Path) -> StoreResult<Self> {
        let file = folder.join(FILE);
        let opening = prepare(folder.to_owned()).await?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            // Kept as one file that does not grow for ever: a long WAL is cut back after a checkpoint.
            .pragma("journal_size_limit", "67108864");
        let failed = |source| StoreError::Folder(format!("the database {} cannot be opened: {source}", file.display()));
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.map_err(failed)?;
        MIGRATIONS.run(&writer).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => StoreError::Folder(format!(
                "the database {} was written by a newer version of asgard (migration {version}): use that version, or another data folder",
                file.display()
            )),
            other => StoreError::Migration(other),
        })?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await.map_err(failed)?;
        let cipher = Cipher::open(folder, &writer).await?;
        drop(opening);
        Ok(Self { inner: Arc::new(Inner { readers, writer, cipher, folder: folder.to_owned() }) })
    }

    /// Waits for running statements and closes the connections; the write-ahead log goes into the file. Other clones of this
    /// store fail from here on.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    /// For single statements and transactions that only read.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    /// For single statements that write.
    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.inner.writer
    }

    /// A transaction that writes. There is one at a time in this process: it must not wait for anything but the database,
    /// and never for a second one.
    pub(crate) async fn write(&self) -> StoreResult<Transaction<'static, Sqlite>> {
        let writer = self.inner.writer.clone();
        // In a task of its own: given up halfway, as by a client that hangs up, a `BEGIN` of one's own wording leaves the one
        // connection in a transaction that nobody ends. So it comes to its end, and what nobody waits for is rolled back.
        let begun = tokio::spawn(async move { writer.begin_with("BEGIN IMMEDIATE").await });
        Ok(begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))?)
    }

    pub(crate) fn cipher(&self) -> &Cipher {
        &self.inner.cipher
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.inner.folder
    }
}

/// Makes the folder and an empty database file that only this user may read; holds the opening lock until it is dropped.
async fn prepare(folder: PathBuf) -> StoreResult<std::fs::File> {
    let prepared = tokio::task::spawn_blocking(move || {
        let failed = |what: &str, error: std::io::Error| {
            StoreError::Folder(format!("the data folder {} cannot be used: {what}: {error}", folder.display()))
        };
        std::fs::create_dir_all(&folder).map_err(|error| failed("it cannot be made", error))?;
        let lock = private_file(&folder.join(OPENING_LOCK)).map_err(|error| failed(OPENING_LOCK, error))?;
        lock.lock().map_err(|error| failed(OPENING_LOCK, error))?;
        private_file(&folder.join(FILE)).map_err(|error| failed(FILE, error))?;
        Ok(lock)
    });
    prepared.await.map_err(|error| StoreError::Folder(error.to_string()))?
}

/// Opens a file, made with mode 0600 when it does not exist; its content stays.
pub(crate) fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
