//! Objects of an environment.
//!
//! All plugins of an environment share one space of keys, because objects are how they hand results to each other: the
//! features of a training run, the files of a model. What keeps plugins apart is that a key must be known or listed, and
//! that the grant is given or not. A key is a relative path of harmless segments ([`crate::paths`]), so it stays below the
//! environment's folder.
//!
//! Where an environment's storage is a bucket, its objects are there too, below `objects/`: what runs elsewhere, such as a job
//! in a cluster, reads them by their location. Else they are files below the environment's folder ([`folder`]). Either way readers
//! see the old object or the new one.

mod bucket;
mod folder;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use asgard_contract::{Error, Result};

pub use bucket::Bucket;
use bucket::Cached;
use folder::Folder;

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
        let (size, largest) = (self.space.size(key).await?, self.largest_get);
        if size > largest {
            let message = format!("object `{key}` has {size} bytes; a plugin can hold {largest}: use its location");
            return Err(Error::invalid("key", message));
        }
        self.space.get(key).await
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
#[derive(Clone)]
pub(crate) enum ObjectSpace {
    Folder(Folder),
    Bucket(Cached),
}

/// Where an object's bytes come from.
pub enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl ObjectSpace {
    /// In `bucket`, or below the environment's folder.
    pub(crate) fn new(environment: &Path, bucket: Option<Arc<dyn Bucket>>) -> Self {
        match bucket {
            Some(bucket) => Self::Bucket(Cached::new(bucket, environment)),
            None => Self::Folder(Folder::new(environment)),
        }
    }

    /// A file of this machine with the object's content, for those who cannot hold it.
    ///
    /// # Errors
    /// `not-found` for an object of a bucket; one of a folder is looked for when the file is read.
    pub(crate) async fn file(&self, key: &str) -> Result<PathBuf> {
        match self {
            Self::Folder(folder) => folder.path(key),
            Self::Bucket(bucket) => bucket.file(key).await,
        }
    }

    async fn size(&self, key: &str) -> Result<u64> {
        match self {
            Self::Folder(folder) => folder.size(key).await,
            Self::Bucket(bucket) => bucket.size(key).await,
        }
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>> {
        match self {
            Self::Folder(folder) => folder.get(key).await,
            Self::Bucket(bucket) => bucket.get(key).await,
        }
    }

    pub(crate) async fn put(&self, key: &str, content: Content) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.put(key, content).await,
            Self::Bucket(bucket) => bucket.put(key, content).await,
        }
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Info>> {
        // The folder part of a prefix is a key of its own; the rest is the beginning of a name.
        if let Some((folder, _)) = prefix.rsplit_once('/') {
            check_relative("key", folder)?;
        }
        let mut found = match self {
            Self::Folder(folder) => folder.list(prefix).await?,
            Self::Bucket(bucket) => bucket.list(prefix).await?,
        };
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.delete(key).await,
            Self::Bucket(bucket) => bucket.delete(key).await,
        }
    }

    /// `file:///…` or `s3://…`. A key that ends in `/` stands for all below it.
    pub(crate) fn location(&self, key: &str) -> Result<String> {
        check_relative("key", key.strip_suffix('/').unwrap_or(key))?;
        match self {
            Self::Folder(folder) => folder.location(key),
            Self::Bucket(bucket) => Ok(bucket.location(key)),
        }
    }
}

/// For a listing that no plugin could hold.
fn too_many(prefix: &str) -> Error {
    Error::invalid("prefix", format!("more than {LONGEST_LISTING} objects start with `{prefix}`: use a longer prefix"))
}

/// For objects that a plugin names and that are not there.
pub(crate) fn missing(key: &str) -> Error {
    Error::not_found(format!("there is no object `{key}`"))
}
