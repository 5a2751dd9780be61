//! Folders that are made once and kept in the cache: Python environments, servers.
//!
//! Chores of several clones may want the same folder at the same time, so it is made under a lock: the others wait and find it
//! there. The lock is the file's own, which the system lifts when its holder ends in whatever way.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

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

/// A short name for the content of folders and for `words`: what is made of them is made anew when they change.
pub(crate) fn fingerprint(folders: &[&Path], words: &[&str]) -> Result<String> {
    let mut hash = Sha256::new();
    for folder in folders {
        let mut files = Vec::new();
        gather(folder, &mut files)?;
        files.sort();
        for file in files {
            hash.update(file.strip_prefix(folder)?.as_os_str().as_encoded_bytes());
            hash.update(std::fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?);
        }
    }
    hash.update(words.join("\n"));
    Ok(hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_names_and_content_and_words() {
        let folder = std::env::temp_dir().join(format!("asgard-fingerprint-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("below")).unwrap();
        std::fs::write(folder.join("below/a"), "1").unwrap();
        let of = |words: &[&str]| fingerprint(&[&folder], words).unwrap();
        let first = of(&[]);
        assert_eq!(of(&[]), first);
        assert_ne!(of(&["x"]), first);
        std::fs::write(folder.join("below/a"), "2").unwrap();
        let second = of(&[]);
        assert_ne!(second, first);
        std::fs::rename(folder.join("below/a"), folder.join("below/b")).unwrap();
        assert_ne!(of(&[]), second);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
