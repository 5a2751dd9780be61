//! Files that no commit refers to yet.
//!
//! Whoever writes files notes them in an [`Uncommitted`]. When it is dropped before they were committed (an error, a cancelled
//! statement), they are deleted. While a commit is under way its outcome is unknown, so nothing may be deleted: [`hold`]
//! before, [`release`] when it is known that the commit lost.
//!
//! [`hold`]: Uncommitted::hold
//! [`release`]: Uncommitted::release

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::storage;

/// Files to be deleted unless they are kept.
#[derive(Debug, Default)]
pub(crate) struct Uncommitted {
    files: Mutex<Vec<String>>,
    held: AtomicBool,
}

impl Uncommitted {
    /// Notes a file, before it is made.
    pub(crate) fn add(&self, location: impl Into<String>) {
        self.lock().push(location.into());
    }

    /// From here on the files may be part of the table.
    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    /// The commit lost: they are not.
    pub(crate) fn release(&self) {
        self.held.store(false, Ordering::SeqCst);
    }

    /// Takes over what another has noted.
    pub(crate) fn adopt(&self, other: Self) {
        self.lock().extend(std::mem::take(&mut *other.lock()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        // A panic while the list is locked leaves it whole.
        self.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Uncommitted {
    fn drop(&mut self) {
        if self.held.load(Ordering::SeqCst) {
            return;
        }
        for file in self.lock().iter() {
            delete(file);
        }
    }
}

/// Deletes a file of this machine. One that stays costs space and nothing else, so a failure is only logged.
pub(crate) fn delete(location: &str) {
    let Ok(path) = storage::path_of(location) else { return };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(location, %error, "a file that is not needed any more could not be deleted");
        }
        _ => {}
    }
}
