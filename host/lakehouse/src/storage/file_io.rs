//! Iceberg's files in the lakehouse's places: this machine's by the crate's own reader and writer, a bucket's by its client.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use iceberg::io::{
    FileIO, FileIOBuilder, FileMetadata, FileRead, FileWrite, InputFile, LocalFsStorage, OutputFile, Storage,
    StorageConfig, StorageFactory,
};
use iceberg::{Error, ErrorKind, Result};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;

use super::local::path_of;
use super::stores::{Resolved, Stores};

/// Files in these places.
pub(crate) fn file_io(stores: &Stores) -> FileIO {
    FileIOBuilder::new(Arc::new(Files { stores: stores.clone() })).build()
}

/// Serializable because the crate asks for it: it sends storage to other processes, which nothing here does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Files {
    #[serde(skip)]
    stores: Stores,
}

#[typetag::serde(name = "asgard")]
impl StorageFactory for Files {
    fn build(&self, _: &StorageConfig) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

impl Files {
    fn object(&self, location: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let Resolved { store, path, .. } = self
            .stores
            .resolve(location)
            .map_err(|error| Error::new(ErrorKind::DataInvalid, error.to_string()).with_source(error))?;
        Ok((store, path))
    }
}

/// Locations of this machine are read and written as they always were.
fn machine(location: &str) -> Option<LocalFsStorage> {
    path_of(location).map(|_| LocalFsStorage::new())
}

#[async_trait]
#[typetag::serde(name = "asgard")]
impl Storage for Files {
    async fn exists(&self, location: &str) -> Result<bool> {
        if let Some(machine) = machine(location) {
            return machine.exists(location).await;
        }
        let (store, path) = self.object(location)?;
        match store.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed("looking for", location, error)),
        }
    }

    async fn metadata(&self, location: &str) -> Result<FileMetadata> {
        if let Some(machine) = machine(location) {
            return machine.metadata(location).await;
        }
        let (store, path) = self.object(location)?;
        let found = store.head(&path).await.map_err(|error| failed("looking at", location, error))?;
        Ok(FileMetadata { size: found.size })
    }

    async fn read(&self, location: &str) -> Result<Bytes> {
        if let Some(machine) = machine(location) {
            return machine.read(location).await;
        }
        let (store, path) = self.object(location)?;
        let read = async { store.get(&path).await?.bytes().await };
        read.await.map_err(|error| failed("reading", location, error))
    }

    async fn reader(&self, location: &str) -> Result<Box<dyn FileRead>> {
        if let Some(machine) = machine(location) {
            return machine.reader(location).await;
        }
        let (store, path) = self.object(location)?;
        Ok(Box::new(Object { store, path }))
    }

    async fn write(&self, location: &str, bytes: Bytes) -> Result<()> {
        if let Some(machine) = machine(location) {
            return machine.write(location, bytes).await;
        }
        let (store, path) = self.object(location)?;
        store.put(&path, bytes.into()).await.map_err(|error| failed("writing", location, error))?;
        Ok(())
    }

    async fn writer(&self, location: &str) -> Result<Box<dyn FileWrite>> {
        if let Some(machine) = machine(location) {
            return machine.writer(location).await;
        }
        let (store, path) = self.object(location)?;
        Ok(Box::new(Upload { location: location.to_owned(), open: Some(BufWriter::new(store, path)) }))
    }

    async fn delete(&self, location: &str) -> Result<()> {
        if let Some(machine) = machine(location) {
            return machine.delete(location).await;
        }
        let (store, path) = self.object(location)?;
        match store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("deleting", location, error)),
        }
    }

    async fn delete_prefix(&self, location: &str) -> Result<()> {
        if let Some(machine) = machine(location) {
            return machine.delete_prefix(location).await;
        }
        let (store, path) = self.object(location)?;
        let mut listed = store.list(Some(&path));
        while let Some(object) = listed.next().await {
            let object = object.map_err(|error| failed("listing", location, error))?;
            store.delete(&object.location).await.map_err(|error| failed("deleting", location, error))?;
        }
        Ok(())
    }

    async fn delete_stream(&self, mut locations: BoxStream<'static, String>) -> Result<()> {
        while let Some(location) = locations.next().await {
            self.delete(&location).await?;
        }
        Ok(())
    }

    fn new_input(&self, location: &str) -> Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), location.to_owned()))
    }

    fn new_output(&self, location: &str) -> Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), location.to_owned()))
    }
}

struct Object {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

#[async_trait]
impl FileRead for Object {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let read = self.store.get_range(&self.path, range).await;
        read.map_err(|error| failed("reading", self.path.as_ref(), error))
    }
}

/// An object on its way: one request when it is small, else in parts. It is there when it is closed, and not before.
struct Upload {
    location: String,
    open: Option<BufWriter>,
}

#[async_trait]
impl FileWrite for Upload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let open = self.open.as_mut().ok_or_else(closed)?;
        open.put(bytes).await.map_err(|error| failed("writing", &self.location, error))
    }

    async fn close(&mut self) -> Result<()> {
        let open = self.open.as_mut().ok_or_else(closed)?;
        open.shutdown().await.map_err(|error| failed("writing", &self.location, error))?;
        self.open = None;
        Ok(())
    }
}

impl Drop for Upload {
    /// Parts of an upload that was given up cost money until somebody says so.
    fn drop(&mut self) {
        let (Some(mut open), Ok(runtime)) = (self.open.take(), tokio::runtime::Handle::try_current()) else { return };
        let location = std::mem::take(&mut self.location);
        runtime.spawn(async move {
            if let Err(error) = open.abort().await {
                tracing::warn!(location, %error, "an upload that was given up could not be ended");
            }
        });
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::DataInvalid, "the file is closed already")
}

fn failed(what: &str, location: &str, error: impl std::error::Error) -> Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    Error::new(ErrorKind::Unexpected, format!("{what} `{location}` failed: {text}"))
}
