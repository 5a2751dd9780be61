//! Who works on the database: hosts, and their lives.
//!
//! A host is a data folder; its name, `host.id`, is drawn once and stays. Each process that opens the folder is a life of that
//! host, and what it leases or claims belongs to `HOST/LIFE`. So a host that starts again takes back at once what its earlier
//! lives had, which are over, and leaves alone what other hosts on the same database have.
//!
//! Lives that share a database say again and again that they are alive ([`Store::beat`]). What belongs to a life that has not
//! done so for a while is anybody's: leases by their own end, claims of requests by the end of the life.
//!
//! A copy of a data folder has the name of the original. Two of them on one database would take each other's work away again and
//! again; the tokens of leases keep that from being done twice.

use std::fs::{File, TryLockError};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use crate::database::{Dialect, private_file};
use crate::tasks::Held;
use crate::{Store, StoreError, StoreResult, time};

const LOCK: &str = "host.lock";
const NAME: &str = "host.id";

/// A life is taken for alive this many times as long as its leases last: work is taken over soon, a client is told only when there
/// is no doubt that its request is lost.
const LEASES_IN_A_LIFE: u32 = 3;

/// Held by the process that works on the folder's tasks. The operating system gives it back when the process ends, however it
/// ends: who gets it knows that every other life of this host is over.
#[derive(Debug)]
pub struct HostLock {
    /// Closing the file unlocks it.
    _file: File,
}

/// A new life of the host of a folder, as `HOST/LIFE`. The caller holds the opening lock.
pub(crate) fn new_life(folder: &Path) -> StoreResult<String> {
    let path = folder.join(NAME);
    let failed = |error: std::io::Error| StoreError::Folder(format!("{} cannot be used: {error}", path.display()));
    let mut name = String::new();
    private_file(&path).and_then(|mut file| file.read_to_string(&mut name)).map_err(failed)?;
    let host = match Uuid::parse_str(name.trim()) {
        Ok(host) => host,
        // Made just now, or cut short by a crash: a new name is as good, for no lease knows it.
        Err(_) => {
            let host = Uuid::new_v4();
            std::fs::write(&path, format!("{host}\n")).map_err(failed)?;
            host
        }
    };
    Ok(format!("{host}/{}", Uuid::new_v4()))
}

impl Store {
    /// Who this process is to others on the same database: `HOST/LIFE`.
    pub fn owner(&self) -> &str {
        self.life()
    }

    /// Whether other hosts may work on this database.
    pub fn is_shared(&self) -> bool {
        self.dialect() == Dialect::Postgres
    }

    /// `HOST/%`: every life of this host.
    pub(crate) fn own_lives(&self) -> String {
        format!("{}/%", self.life().split('/').next().unwrap_or_default())
    }

    /// Takes the lock, or answers none while another process (or another worker of this one) has it.
    ///
    /// # Errors
    /// [`StoreError::Folder`] when the lock file cannot be made.
    pub fn try_host_lock(&self) -> StoreResult<Option<HostLock>> {
        let path = self.folder().join(LOCK);
        let failed = |error| StoreError::Folder(format!("{} cannot be locked: {error}", path.display()));
        let file = private_file(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(HostLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Says that this life goes on, lets its leases last for `lease` from now, and answers which it has.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn beat(&self, lease: Duration) -> StoreResult<Vec<Held>> {
        if self.is_shared() {
            let now = self.now().await?.timestamp_millis();
            sqlx::query(
                "INSERT INTO lives (owner, alive_until) VALUES ($1, $2)
                 ON CONFLICT (owner) DO UPDATE SET alive_until = excluded.alive_until",
            )
            .bind(self.owner())
            .bind(time::later(now, lease.saturating_mul(LEASES_IN_A_LIFE)))
            .execute(self.writer())
            .await?;
        }
        self.renew_leases(self.owner(), lease).await
    }

    /// Gives everything back that this life has, for others to go on with at once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_life(&self) -> StoreResult<()> {
        self.release_leases(self.owner()).await?;
        sqlx::query("DELETE FROM lives WHERE owner = $1").bind(self.owner()).execute(self.writer()).await?;
        Ok(())
    }
}
