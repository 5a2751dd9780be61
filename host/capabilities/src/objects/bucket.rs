//! Objects in the bucket of the environment's storage.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use asgard_contract::Result;
use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{Content, Info, LONGEST_LISTING, missing, too_many};
use crate::blocking::{blocking, file_error};
use crate::paths::check_relative;

/// Copies of objects are kept as long as somebody may be starting with them.
const COPIES_FOR: Duration = Duration::from_secs(24 * 3600);

/// Where an environment's objects are, without any policy. Implemented by the lakehouse crate, which has the client.
#[async_trait]
pub trait Bucket: Send + Sync {
    /// `s3://BUCKET/PREFIX/objects`: keys are below it.
    fn url(&self) -> String;
    /// Size in bytes, and what is another after each change; none where there is no object.
    async fn head(&self, key: &str) -> Result<Option<(u64, String)>>;
    /// None where there is no object.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Writes the object's content to a file of this machine; whether there is one.
    async fn download(&self, key: &str, file: &Path) -> Result<bool>;
    /// There whole, or not at all.
    async fn put(&self, key: &str, content: Content) -> Result<()>;
    /// Objects whose keys start with `prefix`, more than `limit` only to say that there are more.
    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Info>>;
    /// Not being there is no error.
    async fn delete(&self, key: &str) -> Result<()>;
}

/// A bucket, and copies of those of its objects that programs of this machine read.
#[derive(Clone)]
pub(crate) struct Cached {
    bucket: Arc<dyn Bucket>,
    copies: PathBuf,
}

impl Cached {
    pub(super) fn new(bucket: Arc<dyn Bucket>, environment: &Path) -> Self {
        Self { bucket, copies: environment.join("objects.copies") }
    }

    pub(super) async fn size(&self, key: &str) -> Result<u64> {
        check_relative("key", key)?;
        Ok(self.bucket.head(key).await?.ok_or_else(|| missing(key))?.0)
    }

    pub(super) async fn get(&self, key: &str) -> Result<Vec<u8>> {
        check_relative("key", key)?;
        self.bucket.get(key).await?.ok_or_else(|| missing(key))
    }

    /// A copy of the object as it is now.
    pub(super) async fn file(&self, key: &str) -> Result<PathBuf> {
        check_relative("key", key)?;
        let (_, version) = self.bucket.head(key).await?.ok_or_else(|| missing(key))?;
        let mut name = Sha256::new();
        name.update(key.as_bytes());
        name.update([0]);
        name.update(version.as_bytes());
        let name: String = name.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let (copy, folder) = (self.copies.join(name), self.copies.clone());
        let known = copy.clone();
        let is_there = blocking(move || {
            std::fs::create_dir_all(&folder).map_err(|error| file_error("making", &folder, &error))?;
            forget_old(&folder);
            // Used again: it is kept for another while.
            let opened = std::fs::File::open(&known);
            Ok(opened.is_ok_and(|file| file.set_modified(SystemTime::now()).is_ok()))
        })
        .await?;
        if is_there {
            return Ok(copy);
        }
        let partial = self.copies.join(format!(".{}", uuid::Uuid::new_v4().simple()));
        let downloaded = self.bucket.download(key, &partial).await;
        let (from, to) = (partial.clone(), copy.clone());
        let moved = match downloaded {
            Ok(true) => {
                blocking(move || std::fs::rename(&from, &to).map_err(|error| file_error("renaming", &from, &error)))
                    .await
            }
            Ok(false) => Err(missing(key)),
            Err(error) => Err(error),
        };
        if moved.is_err() {
            let _ = tokio::fs::remove_file(&partial).await;
        }
        moved.map(|()| copy)
    }

    pub(super) async fn put(&self, key: &str, content: Content) -> Result<()> {
        check_relative("key", key)?;
        self.bucket.put(key, content).await
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Info>> {
        let found = self.bucket.list(prefix, LONGEST_LISTING).await?;
        if found.len() > LONGEST_LISTING { Err(too_many(prefix)) } else { Ok(found) }
    }

    pub(super) async fn delete(&self, key: &str) -> Result<()> {
        check_relative("key", key)?;
        self.bucket.delete(key).await
    }

    pub(super) fn location(&self, key: &str) -> String {
        format!("{}/{key}", self.bucket.url())
    }
}

fn forget_old(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > COPIES_FOR) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
