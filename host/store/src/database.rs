//! Opening the database, and the ways into it.
//!
//! One set of statements runs on SQLite and on PostgreSQL, through sqlx's `Any`. What differs is in this file and in
//! [`Dialect`]:
//!
//! - **Check, then write** ([`Store::write`]) is alone at a time: `BEGIN IMMEDIATE` on SQLite, an advisory lock of the schema on
//!   PostgreSQL. Code that looks before it writes is right on both without thinking of isolation levels.
//! - **Rows of one task** ([`Store::write_rows`]) take no such lock on PostgreSQL: leases and steps of many hosts go on side by
//!   side, each guarded by the condition of its own UPDATE.
//! - **Pages and buckets** ([`Store::read`]) are of one moment on both.
//! - **Time** is the database's ([`Store::now`]): hosts' clocks differ, and a lease must end at the same moment for all of them.
//!
//! A host that is stopped in the middle of a transaction (SIGSTOP, a dead network) holds its locks. PostgreSQL is told to end
//! such a session, so that the others need not wait for it.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Once};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Transaction};
use url::Url;

use crate::secrets::{KeySource, Keyring};
use crate::{StoreError, StoreResult, hosts, time};

/// The database file in the data folder.
const FILE: &str = "asgard.db";

/// Held while one process creates or migrates the database, so that a second one waits instead of failing halfway.
const OPENING_LOCK: &str = "asgard.db.opening";

/// SQLite: a commit is on disk when it returns. A write waits ten seconds for another process on the same file: a commit takes
/// milliseconds, a copy of the file by a backup takes seconds. A long write-ahead log is cut back after a checkpoint, so that
/// the files do not grow for ever.
const SQLITE_SESSION: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864";

/// PostgreSQL: a host that stopped in a transaction is cut off after five seconds, well within the time of a lease; one that waits
/// for a lock longer than ten has met a defect. A dead network is noticed by both sides.
const POSTGRES_SESSION: &str = "SET application_name = 'asgard-store'; SET idle_in_transaction_session_timeout = '5s';
    SET lock_timeout = '10s'; SET statement_timeout = '60s'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2;
    SET tcp_keepalives_count = 3";

/// SQLite's reads that run at once. They are short and the API's concurrency is higher: more connections only cost memory.
const READERS: u32 = 4;

/// PostgreSQL's sessions of one host. A server has 100 by default, for all hosts and others.
const SESSIONS: u32 = 10;

/// Longer than a restart of the server's process, shorter than a client's patience.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Migrations that PostgreSQL words in its own way, by version.
const POSTGRES_MIGRATIONS: [(i64, &str); 1] =
    [(24, include_str!("../migrations/postgres/0024_append_only_audit_trail.sql"))];

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

static DRIVERS: Once = Once::new();

/// Which database, and with what its secrets are read.
#[derive(Debug, Clone, Default)]
pub struct StoreConfig {
    /// `postgres://USER:PASSWORD@HOST/DATABASE`; none = a SQLite file in the data folder.
    pub database_url: Option<String>,
    pub key: KeySource,
}

/// What speaks SQL on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// What a query of rows that are about to be changed ends with: on PostgreSQL those that another host is changing are left to
    /// it.
    pub(crate) fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    fn migrations(self) -> Migrator {
        let translated = |migration: &Migration| {
            let mut migration = migration.clone();
            if self == Self::Postgres {
                // The checksum stays that of the file: it is the same migration.
                let own = POSTGRES_MIGRATIONS.iter().find(|(version, _)| *version == migration.version);
                migration.sql = match own {
                    Some((_, sql)) => (*sql).into(),
                    None => migration.sql.replace(" BLOB", " BYTEA").into(),
                };
            }
            migration
        };
        Migrator { migrations: MIGRATIONS.iter().map(translated).collect(), ..Migrator::DEFAULT }
    }
}

/// The host's memory. Cloning is cheap; all clones share the connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    readers: AnyPool,
    writer: AnyPool,
    dialect: Dialect,
    keyring: Keyring,
    folder: PathBuf,
    /// `HOST/LIFE`
    life: String,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("folder", &self.inner.folder).finish_non_exhaustive()
    }
}

/// Where the database is: how to get there, and how to name it without its password.
struct Place {
    dialect: Dialect,
    options: AnyConnectOptions,
    name: String,
}

impl Place {
    fn file(folder: &Path) -> StoreResult<Self> {
        let file = folder.join(FILE);
        let name = format!("the database {}", file.display());
        let path = std::path::absolute(&file).ok().and_then(|path| Url::from_file_path(path).ok());
        let options =
            path.and_then(|url| AnyConnectOptions::from_str(&url.as_str().replacen("file:", "sqlite:", 1)).ok());
        let options = options.ok_or_else(|| StoreError::Folder(format!("{name} has a path that cannot be opened")))?;
        Ok(Self { dialect: Dialect::Sqlite, options, name })
    }

    fn server(url: &str) -> StoreResult<Self> {
        let expected = "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE";
        let refused = |reason: String| StoreError::Folder(format!("the database URL cannot be used: {reason}"));
        let parsed = Url::parse(url).map_err(|error| refused(format!("{error}; {expected}")))?;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(refused(format!("`{}:` is no database that the host knows; {expected}", parsed.scheme())));
        }
        let name = format!(
            "PostgreSQL at {}:{}{}",
            parsed.host_str().unwrap_or("localhost"),
            parsed.port().unwrap_or(5432),
            parsed.path()
        );
        let options = AnyConnectOptions::from_str(url).map_err(|error| refused(error.to_string()))?;
        Ok(Self { dialect: Dialect::Postgres, options, name })
    }

    fn failed(&self, source: &sqlx::Error) -> StoreError {
        let advice = match self.dialect {
            Dialect::Sqlite => "look at the permissions of the data folder and at its disk",
            Dialect::Postgres => "look whether the server runs, and whether `--database-url` is right",
        };
        StoreError::Folder(format!("{} cannot be opened: {source}: {advice}", self.name))
    }

    async fn pool(&self, connections: u32) -> StoreResult<AnyPool> {
        let session = match self.dialect {
            Dialect::Sqlite => SQLITE_SESSION,
            Dialect::Postgres => POSTGRES_SESSION,
        };
        let options = AnyPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
        let options = options
            .after_connect(move |connection, _| Box::pin(async move { connection.execute(session).await.map(drop) }))
            // SQLite itself ends a transaction that finds the disk full, and sqlx does not hear of it: it would refuse to begin
            // another one on that connection for ever.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }));
        options.connect_with(self.options.clone()).await.map_err(|error| self.failed(&error))
    }

    async fn migrate(&self, connection: &mut AnyConnection) -> StoreResult<()> {
        self.dialect.migrations().run_direct(connection).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => StoreError::Folder(format!(
                "{} was written by a newer version of asgard (migration {version}): use that version, or another {}",
                self.name,
                if self.dialect == Dialect::Sqlite { "data folder" } else { "database" },
            )),
            other => StoreError::Migration(other),
        })
    }
}

impl Store {
    /// Whether `folder` has a database of a host's.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Opens the database in `folder`, makes it when it does not exist, and brings it up to date. Several processes may have
    /// the same folder open.
    ///
    /// # Errors
    /// [`StoreError::Folder`] when folder, database or key cannot be used.
    pub async fn open(folder: &Path) -> StoreResult<Self> {
        Self::open_with(folder, StoreConfig::default()).await
    }

    /// As [`Store::open`], with a database of another place. The folder is this host's own all the same.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with(folder: &Path, config: StoreConfig) -> StoreResult<Self> {
        // Boxed: through sqlx's generic executors the compiler does not see that callers may send this between threads.
        let opening: BoxFuture<'_, StoreResult<Self>> = Box::pin(Self::opened(folder, config));
        opening.await
    }

    async fn opened(folder: &Path, config: StoreConfig) -> StoreResult<Self> {
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let opening = prepare(folder.to_owned(), config.database_url.is_none()).await?;
        let place = match &config.database_url {
            Some(url) => Place::server(url)?,
            None => Place::file(folder)?,
        };
        // One connection before the pool: the pool would try again until its time is over, and hide the reason.
        let mut first = AnyConnection::connect_with(&place.options).await.map_err(|error| place.failed(&error))?;
        if place.dialect == Dialect::Sqlite {
            first.execute(SQLITE_SESSION).await.map_err(|error| place.failed(&error))?;
        }
        place.migrate(&mut first).await?;
        first.close().await.map_err(|error| place.failed(&error))?;
        let (readers, writer) = match place.dialect {
            Dialect::Sqlite => (place.pool(READERS).await?, place.pool(1).await?),
            Dialect::Postgres => {
                let pool = place.pool(SESSIONS).await?;
                (pool.clone(), pool)
            }
        };
        let life = hosts::new_life(folder)?;
        let keyring = Keyring::new(config.key, folder);
        let (dialect, folder) = (place.dialect, folder.to_owned());
        let store = Self { inner: Arc::new(Inner { readers, writer, dialect, keyring, folder, life }) };
        store.settle_key().await?;
        drop(opening);
        Ok(store)
    }

    /// Waits for running statements and closes the connections; SQLite's write-ahead log goes into the file. Other clones of
    /// this store fail from here on.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    /// What time it is for leases and schedules, whichever host asks.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn now(&self) -> StoreResult<DateTime<Utc>> {
        let now = match self.inner.dialect {
            Dialect::Sqlite => time::now(),
            Dialect::Postgres => sqlx::query_as::<_, (i64,)>(time::POSTGRES_NOW).fetch_one(self.readers()).await?.0,
        };
        Ok(time::from_millis(now))
    }

    /// As [`Store::now`], within a transaction, in milliseconds.
    pub(crate) async fn now_in(&self, transaction: &mut Transaction<'static, Any>) -> StoreResult<i64> {
        match self.inner.dialect {
            Dialect::Sqlite => Ok(time::now()),
            Dialect::Postgres => {
                Ok(sqlx::query_as::<_, (i64,)>(time::POSTGRES_NOW).fetch_one(&mut **transaction).await?.0)
            }
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// For single statements that only read.
    pub(crate) fn readers(&self) -> &AnyPool {
        &self.inner.readers
    }

    /// For single statements that write.
    pub(crate) fn writer(&self) -> &AnyPool {
        &self.inner.writer
    }

    /// A transaction that only reads: everything in it is of one moment.
    pub(crate) async fn read(&self) -> StoreResult<Transaction<'static, Any>> {
        begin(
            self.readers(),
            match self.inner.dialect {
                Dialect::Sqlite => "BEGIN",
                Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            },
        )
        .await
    }

    /// A transaction that looks before it writes. There is one at a time, on all hosts: it must not wait for anything but the
    /// database, and never for a second one.
    pub(crate) async fn write(&self) -> StoreResult<Transaction<'static, Any>> {
        let mut write = self.write_rows().await?;
        if self.inner.dialect == Dialect::Postgres {
            sqlx::query("SELECT pg_advisory_xact_lock(hashtext('asgard'), hashtext(current_schema()))::text")
                .execute(&mut *write)
                .await?;
        }
        Ok(write)
    }

    /// A transaction that writes rows on conditions of their own, beside those of other hosts.
    pub(crate) async fn write_rows(&self) -> StoreResult<Transaction<'static, Any>> {
        begin(
            self.writer(),
            match self.inner.dialect {
                Dialect::Sqlite => "BEGIN IMMEDIATE",
                Dialect::Postgres => "BEGIN",
            },
        )
        .await
    }

    pub(crate) fn life(&self) -> &str {
        &self.inner.life
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.inner.keyring
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.inner.folder
    }
}

/// In a task of its own: given up halfway, as by a client that hangs up, a `BEGIN` of one's own wording leaves the connection in
/// a transaction that nobody ends. So it comes to its end, and what nobody waits for is rolled back.
async fn begin(pool: &AnyPool, statement: &'static str) -> StoreResult<Transaction<'static, Any>> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(statement).await });
    Ok(begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))?)
}

/// Makes the folder and, where the database is in it, an empty file that only this user may read; holds the opening lock until
/// it is dropped.
async fn prepare(folder: PathBuf, with_database: bool) -> StoreResult<std::fs::File> {
    let prepared = tokio::task::spawn_blocking(move || {
        let failed = |what: &str, error: std::io::Error| {
            StoreError::Folder(format!("the data folder {} cannot be used: {what}: {error}", folder.display()))
        };
        std::fs::create_dir_all(&folder).map_err(|error| failed("it cannot be made", error))?;
        let lock = private_file(&folder.join(OPENING_LOCK)).map_err(|error| failed(OPENING_LOCK, error))?;
        lock.lock().map_err(|error| failed(OPENING_LOCK, error))?;
        if with_database {
            private_file(&folder.join(FILE)).map_err(|error| failed(FILE, error))?;
        }
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
