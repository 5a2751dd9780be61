//! An environment's objects in the bucket of its tables: the keys below `objects/`.

use std::path::Path as FilePath;

use asgard_capabilities::objects::{self, Content, Info};
use asgard_contract::{Error, Result};
use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use tokio::io::AsyncWriteExt as _;

use super::s3::Bucket;

const FOLDER: &str = "objects";

/// Those of one bucket.
pub(super) struct Objects(pub(super) Bucket);

impl Objects {
    fn path(&self, key: &str) -> Result<Path> {
        let whole = match self.0.prefix() {
            "" => format!("{FOLDER}/{key}"),
            prefix => format!("{prefix}/{FOLDER}/{key}"),
        };
        Path::parse(whole).map_err(|error| Error::invalid("key", format!("`{key}` is no key: {error}")))
    }
}

#[async_trait]
impl objects::Bucket for Objects {
    fn url(&self) -> String {
        format!("{}/{FOLDER}", self.0.url())
    }

    async fn head(&self, key: &str) -> Result<Option<(u64, String)>> {
        match self.0.store().head(&self.path(key)?).await {
            Ok(found) => {
                let version = found.e_tag.unwrap_or_else(|| found.last_modified.to_rfc3339());
                Ok(Some((found.size, version)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("looking at", key, &error)),
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let read = async { self.0.store().get(&self.path(key).map_err(wrong)?).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("reading", key, &error)),
        }
    }

    async fn download(&self, key: &str, file: &FilePath) -> Result<bool> {
        let unwritten = |error: std::io::Error| Error::unavailable(format!("writing {}: {error}", file.display()));
        let mut chunks = match self.0.store().get(&self.path(key)?).await {
            Ok(found) => found.into_stream(),
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(failed("reading", key, &error)),
        };
        let mut to = tokio::fs::File::create(file).await.map_err(unwritten)?;
        while let Some(chunk) = chunks.next().await {
            to.write_all(&chunk.map_err(|error| failed("reading", key, &error))?).await.map_err(unwritten)?;
        }
        to.flush().await.map_err(unwritten)?;
        Ok(true)
    }

    async fn put(&self, key: &str, content: Content) -> Result<()> {
        let path = self.path(key)?;
        match content {
            Content::Bytes(bytes) => {
                self.0.store().put(&path, bytes.into()).await.map_err(|error| failed("writing", key, &error))?;
            }
            Content::File(from) => {
                let unread = |error: std::io::Error| Error::internal(format!("reading {}: {error}", from.display()));
                let mut file = tokio::fs::File::open(&from).await.map_err(unread)?;
                // In parts where it is large; nothing is there before the end.
                let mut to = BufWriter::new(self.0.store(), path);
                let copied = async {
                    tokio::io::copy(&mut file, &mut to).await?;
                    to.shutdown().await
                };
                copied.await.map_err(|error| Error::unavailable(format!("writing object `{key}` failed: {error}")))?;
            }
        }
        Ok(())
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Info>> {
        // Stores list below whole segments; the rest of the prefix is looked at here.
        let folder = prefix.rsplit_once('/').map(|(folder, _)| folder);
        let root = self.path("x")?.to_string();
        let root = root.strip_suffix('x').unwrap_or(&root).to_owned();
        let below = match folder {
            Some(folder) => self.path(folder)?,
            None => Path::parse(root.trim_end_matches('/')).map_err(|error| Error::internal(error.to_string()))?,
        };
        let listed = self.0.store().list(Some(&below)).map_err(|error| failed("listing", prefix, &error));
        let listed = listed.try_filter_map(|object| {
            let key = object.location.as_ref().strip_prefix(&root).filter(|key| key.starts_with(prefix));
            std::future::ready(Ok(key.map(|key| Info { key: key.to_owned(), size: object.size })))
        });
        listed.take(limit + 1).try_collect().await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.0.store().delete(&self.path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("deleting", key, &error)),
        }
    }
}

fn failed(act: &str, key: &str, error: &object_store::Error) -> Error {
    Error::unavailable(format!("{act} object `{key}` failed: {error}"))
}

/// A key that is none is no object.
fn wrong(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: "objects", source: error.to_string().into() }
}
