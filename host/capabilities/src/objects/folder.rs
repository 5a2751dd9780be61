//! Objects as files below an environment's folder.
//!
//! A put writes a file beside the objects and renames it, so a crash leaves nothing half-written under a key.

use std::io;
use std::path::{Path, PathBuf};

use asgard_contract::{Error, Result};

use super::{Content, Info, LONGEST_LISTING, missing, too_many};
use crate::blocking::{blocking, file_error};
use crate::paths::check_relative;

/// Objects of one environment.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    folder: PathBuf,
    /// On the same file system, so that a rename is atomic, and where no key leads.
    partial: PathBuf,
}

impl Folder {
    /// Below an environment's folder.
    pub(super) fn new(environment: &Path) -> Self {
        Self { folder: environment.join("objects"), partial: environment.join("objects.partial") }
    }

    /// The file of an object. It may not exist.
    pub(super) fn path(&self, key: &str) -> Result<PathBuf> {
        check_relative("key", key)?;
        Ok(self.folder.join(key))
    }

    pub(super) async fn size(&self, key: &str) -> Result<u64> {
        let (path, key) = (self.path(key)?, key.to_owned());
        blocking(move || match std::fs::metadata(&path) {
            Ok(data) if data.is_file() => Ok(data.len()),
            Ok(_) => Err(missing(&key)),
            Err(error) => Err(read_error(&key, &path, &error)),
        })
        .await
    }

    pub(super) async fn get(&self, key: &str) -> Result<Vec<u8>> {
        let (path, key) = (self.path(key)?, key.to_owned());
        blocking(move || std::fs::read(&path).map_err(|error| read_error(&key, &path, &error))).await
    }

    pub(super) async fn put(&self, key: &str, content: Content) -> Result<()> {
        let path = self.path(key)?;
        let partial = self.partial.join(uuid::Uuid::new_v4().simple().to_string());
        let (key, partials) = (key.to_owned(), self.partial.clone());
        blocking(move || {
            let failed = |error: io::Error| match error.kind() {
                io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists => {
                    Error::conflict(format!("object `{key}` cannot be made: a part of its key is another object, or it is a part of another's"))
                }
                _ => file_error("writing", &path, &error),
            };
            std::fs::create_dir_all(&partials).map_err(failed)?;
            std::fs::create_dir_all(path.parent().unwrap_or(&partials)).map_err(failed)?;
            let written = match &content {
                Content::Bytes(data) => std::fs::write(&partial, data),
                Content::File(from) => std::fs::copy(from, &partial).map(|_| ()),
            };
            let renamed = written
                .and_then(|()| std::fs::File::open(&partial)?.sync_data())
                .and_then(|()| std::fs::rename(&partial, &path));
            renamed.map_err(|error| {
                let _ = std::fs::remove_file(&partial);
                failed(error)
            })
        })
        .await
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Info>> {
        let start = match prefix.rsplit_once('/') {
            Some((folder, _)) => self.path(folder)?,
            None => self.folder.clone(),
        };
        let (prefix, root) = (prefix.to_owned(), self.folder.clone());
        blocking(move || {
            let mut found = Vec::new();
            let mut folders = vec![start];
            while let Some(folder) = folders.pop() {
                let entries = match std::fs::read_dir(&folder) {
                    Ok(entries) => entries,
                    Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                        continue;
                    }
                    Err(error) => return Err(file_error("listing", &folder, &error)),
                };
                for entry in entries.flatten() {
                    let (path, Ok(data)) = (entry.path(), entry.metadata()) else { continue };
                    let Some(key) = path.strip_prefix(&root).ok().and_then(Path::to_str) else { continue };
                    if data.is_dir() && (key.starts_with(&prefix) || prefix.starts_with(&format!("{key}/"))) {
                        folders.push(path);
                    } else if data.is_file() && key.starts_with(&prefix) {
                        found.push(Info { key: key.to_owned(), size: data.len() });
                    }
                }
                if found.len() > LONGEST_LISTING {
                    return Err(too_many(&prefix));
                }
            }
            Ok(found)
        })
        .await
    }

    pub(super) async fn delete(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        let root = self.folder.clone();
        blocking(move || {
            match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    return Ok(());
                }
                // A folder is no object.
                Err(_) if path.is_dir() => return Ok(()),
                Err(error) => return Err(file_error("deleting", &path, &error)),
            }
            // Folders are not objects, so an empty one has no reason to be. A put that makes it again meanwhile wins: only
            // empty ones can be removed.
            let mut folder = path.parent();
            while let Some(empty) = folder.filter(|folder| *folder != root && std::fs::remove_dir(folder).is_ok()) {
                folder = empty.parent();
            }
            Ok(())
        })
        .await
    }

    /// `file:///…`. A key that ends in `/` stands for all below it.
    pub(super) fn location(&self, key: &str) -> Result<String> {
        let path = self.path(key.strip_suffix('/').unwrap_or(key))?;
        let url = url::Url::from_file_path(&path)
            .map_err(|()| Error::internal(format!("{} is no absolute path", path.display())))?;
        let slash = if key.ends_with('/') { "/" } else { "" };
        Ok(format!("{url}{slash}"))
    }
}

fn read_error(key: &str, path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => missing(key),
        _ => file_error("reading", path, error),
    }
}
