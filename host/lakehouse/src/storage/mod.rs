//! Where files are kept: a folder of this machine, or a bucket of S3 or of a store that speaks its protocol.
//!
//! A [`Storage`] is one such place, as a sink or the environment names it. A lakehouse has several at a time; [`Stores`] finds
//! the one that a location (`file:///…`, `s3://bucket/key`) is in, for Iceberg's files ([`file_io`]) and for the SQL engine's
//! scans alike, so both share one client per bucket.

mod file_io;
mod local;
mod objects;
mod s3;
mod stores;

use std::path::PathBuf;

use asgard_contract::{Error, Result};

pub(crate) use file_io::file_io;
pub(crate) use local::{location_of, path_of};
pub use s3::S3Location;
pub(crate) use stores::{FileInfo, Resolved, Stores};

/// A place for files, as a sink's or an environment's configuration gives it.
#[derive(Debug, Clone)]
pub enum StorageLocation {
    Local { folder: PathBuf },
    S3(S3Location),
}

/// A place for files that can be used.
#[derive(Debug, Clone)]
pub struct Storage {
    pub(crate) place: Place,
}

#[derive(Debug, Clone)]
pub(crate) enum Place {
    Local(PathBuf),
    S3(s3::Bucket),
}

impl Storage {
    /// Opens a place; nothing is touched yet.
    ///
    /// # Errors
    /// `invalid-input` with the field that is wrong: `path`, `bucket`, `region`, `endpoint`, `prefix`.
    pub fn open(location: StorageLocation) -> Result<Self> {
        let place = match location {
            StorageLocation::Local { folder } => {
                location_of(&folder).map_err(|message| Error::invalid("path", message))?;
                Place::Local(folder)
            }
            StorageLocation::S3(location) => Place::S3(s3::Bucket::open(location)?),
        };
        Ok(Self { place })
    }

    /// The place as a URL.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Local(folder) => format!("{}{}", local::SCHEME, folder.display()),
            Place::S3(bucket) => bucket.url(),
        }
    }

    /// The environment's objects beside its tables; none in a folder of this machine, where the environment has its own.
    pub fn objects(&self) -> Option<std::sync::Arc<dyn asgard_capabilities::objects::Bucket>> {
        match &self.place {
            Place::Local(_) => None,
            Place::S3(bucket) => Some(std::sync::Arc::new(objects::Objects(bucket.clone()))),
        }
    }

    /// Tests it: writes an object, reads it back, deletes it.
    ///
    /// # Errors
    /// `invalid-input` for the field that is wrong, saying which of the three failed and why; `unavailable` for a store that
    /// does not answer.
    pub async fn check(&self) -> Result<()> {
        match &self.place {
            Place::Local(folder) => local::check(folder).await,
            Place::S3(bucket) => bucket.check().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_made_and_left_empty_by_the_check() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a b/c");
        Storage::open(StorageLocation::Local { folder: folder.clone() }).unwrap().check().await.unwrap();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_told_with_its_field() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("file"), "").unwrap();
        let storage = Storage::open(StorageLocation::Local { folder: root.path().join("file/below") }).unwrap();
        let Err(Error::InvalidInput { field, message }) = storage.check().await else { panic!("expected an error") };
        assert_eq!(field.as_deref(), Some("path"));
        assert!(message.contains("making the folder"), "{message}");
    }

    #[test]
    fn paths_that_readers_would_misread_are_refused() {
        for folder in ["relative", "/a/../b", "/a?b", "/a#b", "/a%20b"] {
            assert!(Storage::open(StorageLocation::Local { folder: folder.into() }).is_err(), "{folder}");
        }
    }
}
