//! Folders that are made once and kept in the cache: Python environments, servers.
//!
//! Chores of several clones may want the same folder at the same time, so it is made under a lock: the others wait and find it
//! there. The lock is the file's own, which the system lifts when its holder ends in whatever way.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell::{cache, say};

/// A folder of the cache that `make` fills if nobody has. It may find what an earlier run left that was cut short.
pub(crate) fn folder(path: &str, what: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = cache()?.join(path);
    // Written last.
    let complete = folder.join("complete");
    if complete.is_file() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let lock = File::create(folder.with_added_extension("lock"))?;
    if lock.try_lock().is_err() {
        say(&format!("waiting for another chore that makes {what}"));
        lock.lock()?;
    }
    if !complete.is_file() {
        say(&format!("making {what}"));
        make(&folder)?;
        std::fs::write(&complete, "")?;
    }
    Ok(folder)
}
