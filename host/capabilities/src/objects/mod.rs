//! Objects of an environment.
//!
//! All plugins of an environment share one space of keys, because objects are how they hand results to each other: the
//! features of a training run, the files of a model. What keeps plugins apart is that a key must be known or listed, and
//! that the grant is given or not. A key is a relative path of harmless segments ([`crate::paths`]), so it stays below the
//! environment's folder.
//!
//! A put writes a file beside the objects and renames it: readers see the old object or the new one, and a crash leaves
//! nothing half-written under a key.

use std::io;
use std::path::{Path, PathBuf};

use asgard_contract::{Error, Result};

use crate::blocking::{blocking, file_error};
use crate::holder::Holder;
use crate::paths::check_relative;

/// A listing is one value in a guest's memory.
const LONGEST_LISTING: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    pub key: String,
    pub size: u64,
}

/// What is lent.
#[derive(Clone)]
pub struct Objects {
    pub(crate) holder: Holder,
    pub(crate) space: ObjectSpace,
    /// A larger object would not fit in the guest that asks for it.
    pub(crate) largest_get: u64,
}

impl Objects {
    /// The object's content.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for a key that is none, or an object that no guest could hold.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>> {
        self.holder.using("objects", "get", key, self.get_small(key)).await
    }

    async fn get_small(&self, key: &str) -> Result<Vec<u8>> {
        let path = self.space.path(key)?;
        let (key, largest) = (key.to_owned(), self.largest_get);
        blocking(move || {
            let size = size_of(&path, &key)?;
            if size > largest {
                let message = format!("object `{key}` has {size} bytes; a plugin can hold {largest}: use its location");
                return Err(Error::invalid("key", message));
            }
            std::fs::read(&path).map_err(|error| read_error(&key, &path, &error))
        })
        .await
    }

    /// Writes the object, or replaces it.
    ///
    /// # Errors
    /// `invalid-input` for a key that is none; `conflict` where a part of the key is an object already.
    pub async fn put(&self, key: &str, data: Vec<u8>) -> Result<()> {
        self.holder.using("objects", "put", key, self.space.put(key, Content::Bytes(data))).await
    }

    /// All objects whose keys start with `prefix`, by key.
    ///
    /// # Errors
    /// `invalid-input` for a prefix of no key.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Info>> {
        self.holder.using("objects", "list", prefix, self.space.list(prefix)).await
    }

    /// Not being there is no error.
    ///
    /// # Errors
    /// `invalid-input` for a key that is none.
    pub async fn delete(&self, key: &str) -> Result<()> {
        self.holder.using("objects", "delete", key, self.space.delete(key)).await
    }

    /// `file:///…` or `s3://…`.
    ///
    /// # Errors
    /// `invalid-input` for a key that is none.
    pub fn location(&self, key: &str) -> Result<String> {
        self.space.location(key)
    }
}

/// The objects of one environment, for the host's own use: without a holder.
#[derive(Debug, Clone)]
pub(crate) struct ObjectSpace {
    folder: PathBuf,
    /// On the same file system, so that a rename is atomic, and where no key leads.
    partial: PathBuf,
}

/// Where an object's bytes come from.
pub(crate) enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl ObjectSpace {
    /// Below an environment's folder.
    pub(crate) fn new(environment: &Path) -> Self {
        Self { folder: environment.join("objects"), partial: environment.join("objects.partial") }
    }

    /// The file of an object. It may not exist.
    pub(crate) fn path(&self, key: &str) -> Result<PathBuf> {
        check_relative("key", key)?;
        Ok(self.folder.join(key))
    }

    pub(crate) async fn put(&self, key: &str, content: Content) -> Result<()> {
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

    async fn list(&self, prefix: &str) -> Result<Vec<Info>> {
        // The folder part of a prefix is a key of its own; the rest is the beginning of a name.
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
                    let message =
                        format!("more than {LONGEST_LISTING} objects start with `{prefix}`: use a longer prefix");
                    return Err(Error::invalid("prefix", message));
                }
            }
            found.sort_by(|a, b| a.key.cmp(&b.key));
            Ok(found)
        })
        .await
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
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
    pub(crate) fn location(&self, key: &str) -> Result<String> {
        let path = self.path(key.strip_suffix('/').unwrap_or(key))?;
        let url = url::Url::from_file_path(&path)
            .map_err(|()| Error::internal(format!("{} is no absolute path", path.display())))?;
        let slash = if key.ends_with('/') { "/" } else { "" };
        Ok(format!("{url}{slash}"))
    }
}

fn size_of(path: &Path, key: &str) -> Result<u64> {
    match std::fs::metadata(path) {
        Ok(data) if data.is_file() => Ok(data.len()),
        Ok(_) => Err(missing(key)),
        Err(error) => Err(read_error(key, path, &error)),
    }
}

fn read_error(key: &str, path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => missing(key),
        _ => file_error("reading", path, error),
    }
}

/// For objects that a plugin names and that are not there.
pub(crate) fn missing(key: &str) -> Error {
    Error::not_found(format!("there is no object `{key}`"))
}
