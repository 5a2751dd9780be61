//! Files that go into a working folder before a process starts, and come out of it later.
//!
//! A process may leave links behind. Following one would let a plugin read through the host what the host can read, so a
//! path is resolved first and must end below the working folder.

use std::io;
use std::path::{Path, PathBuf};

use asgard_contract::{Error, Result};
use sha2::{Digest, Sha256};

use super::{Content, File};
use crate::blocking::file_error;
use crate::objects::{self, ObjectSpace};
use crate::paths::check_relative;

/// One answer in a guest's memory. A virtual environment in the folder has some thousands.
const MOST_FILES: usize = 20_000;

/// A file whose source is known: ready to be written without asking anyone.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    path: String,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Inline(Vec<u8>),
    Object { key: String, path: PathBuf },
}

/// Checks paths and keys.
///
/// # Errors
/// `invalid-input` in `files[N]`; `forbidden` for an object when there is no grant for objects.
pub(crate) async fn prepare(
    files: Vec<File>,
    objects: Option<&ObjectSpace>,
    denied: impl Fn() -> Error,
) -> Result<Vec<Ready>> {
    let mut ready = Vec::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        let place = format!("files[{index}]");
        check_relative("path", &file.path).map_err(|error| error.in_field(&place))?;
        let source = match file.content {
            Content::Inline(data) => Source::Inline(data),
            Content::Object(key) => {
                let path = objects.ok_or_else(&denied)?.file(&key).await.map_err(|error| error.in_field(&place))?;
                Source::Object { key, path }
            }
        };
        ready.push(Ready { path: file.path, source });
    }
    Ok(ready)
}

/// Writes them below `folder`. Blocks.
pub(crate) fn write(files: &[Ready], folder: &Path) -> Result<()> {
    for file in files {
        let path = folder.join(&file.path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|error| file_error("making", parent, &error))?;
        match &file.source {
            Source::Inline(data) => {
                std::fs::write(&path, data).map_err(|error| file_error("writing", &path, &error))?
            }
            Source::Object { key, path: from } => {
                std::fs::copy(from, &path).map_err(|error| object_error(key, &path, &error))?;
            }
        }
    }
    Ok(())
}

/// The same files with the same content have the same digest. Blocks.
pub(crate) fn digest(files: &[Ready], hasher: &mut Sha256) -> Result<()> {
    for file in files {
        hasher.update(file.path.as_bytes());
        let content = match &file.source {
            Source::Inline(data) => Sha256::digest(data),
            Source::Object { key, path } => {
                let mut content = Sha256::new();
                let opened = std::fs::File::open(path).and_then(|mut from| io::copy(&mut from, &mut content));
                opened.map_err(|error| object_error(key, path, &error))?;
                content.finalize()
            }
        };
        hasher.update([0]);
        hasher.update(content);
    }
    Ok(())
}

fn object_error(key: &str, path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => objects::missing(key),
        _ => file_error("copying an object to", path, error),
    }
}

/// The real path of a regular file of a working folder, and its size. Blocks.
///
/// # Errors
/// `not-found`; `forbidden` where a link leads out of the folder.
pub(super) fn find(work: &Path, path: &str) -> Result<(PathBuf, u64)> {
    check_relative("path", path)?;
    let missing = || Error::not_found(format!("the process has no file `{path}` in its working folder"));
    let inside = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => missing(),
        _ => file_error("reading", work, error),
    };
    let root = work.canonicalize().map_err(|error| inside(&error))?;
    let real = root.join(path).canonicalize().map_err(|error| inside(&error))?;
    if !real.starts_with(&root) {
        return Err(Error::forbidden(format!("`{path}` is a link that leads out of the process's working folder")));
    }
    let data = real.metadata().map_err(|error| inside(&error))?;
    // Reading a FIFO would wait for someone to write.
    if data.is_file() { Ok((real, data.len())) } else { Err(missing()) }
}

/// All regular files below `work`, by path; links are not followed. Blocks.
pub(super) fn list(work: &Path) -> Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    let mut folders = vec![work.to_owned()];
    while let Some(folder) = folders.pop() {
        // A folder that cannot be read is one that the process protects or has just removed.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(data) = entry.metadata() else { continue };
            let path = entry.path();
            if data.is_dir() {
                folders.push(path);
            } else if let (true, Some(path)) = (data.is_file(), path.strip_prefix(work).ok().and_then(Path::to_str)) {
                found.push((path.to_owned(), data.len()));
            }
        }
        if found.len() > MOST_FILES {
            return Err(Error::unavailable(format!(
                "the working folder has more than {MOST_FILES} files; they cannot be listed"
            )));
        }
    }
    found.sort();
    Ok(found)
}
