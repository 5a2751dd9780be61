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

use iceberg::io::FileIO;

use crate::storage;

/// Files to be deleted unless they are kept.
#[derive(Debug, Default)]
pub(crate) struct Uncommitted {
    files: Mutex<Vec<(FileIO, String)>>,
    held: AtomicBool,
}

impl Uncommitted {
    /// Notes a file, before it is made.
    pub(crate) fn add(&self, io: &FileIO, location: impl Into<String>) {
        self.lock().push((io.clone(), location.into()));
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(FileIO, String)>> {
        // A panic while the list is locked leaves it whole.
        self.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Uncommitted {
    fn drop(&mut self) {
        if self.held.load(Ordering::SeqCst) {
            return;
        }
        for (io, file) in self.lock().iter() {
            delete(io, file);
        }
    }
}

/// Deletes a file: one of this machine at once, an object beside the work that goes on. One that stays costs space and nothing
/// else, so a failure is only logged.
pub(crate) fn delete(io: &FileIO, location: &str) {
    let warn = |error: &dyn std::fmt::Display| {
        tracing::warn!(location, %error, "a file that is not needed any more could not be deleted");
    };
    if let Some(path) = storage::path_of(location) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => warn(&error),
            _ => {}
        }
        return;
    }
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            let (io, location) = (io.clone(), location.to_owned());
            runtime.spawn(async move {
                if let Err(error) = io.delete(&location).await {
                    tracing::warn!(location, %error, "an object that is not needed any more could not be deleted");
                }
            });
        }
        Err(error) => warn(&error),
    }
}
