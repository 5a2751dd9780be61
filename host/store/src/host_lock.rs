//! Which process is the host of a data folder.

use std::fs::{File, TryLockError};

use crate::database::private_file;
use crate::{Store, StoreError, StoreResult};

const FILE: &str = "host.lock";

/// Held by the process that works on the folder's tasks. The operating system gives it back when the process ends, however it
/// ends: who gets it knows that every lease in the database is of a life that is over.
#[derive(Debug)]
pub struct HostLock {
    /// Closing the file unlocks it.
    _file: File,
}

impl Store {
    /// Takes the lock, or answers none while another process (or another worker of this one) has it.
    ///
    /// # Errors
    /// [`StoreError::Folder`] when the lock file cannot be made.
    pub fn try_host_lock(&self) -> StoreResult<Option<HostLock>> {
        let path = self.folder().join(FILE);
        let failed = |error| StoreError::Folder(format!("{} cannot be locked: {error}", path.display()));
        let file = private_file(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(HostLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
