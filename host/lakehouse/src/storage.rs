//! Where files are kept: a folder of this machine.
//!
//! Object storage is named here so that a sink of that type is refused in words: tables that are listed in a local catalog
//! are kept on the same machine.

use std::path::PathBuf;

use asgard_contract::{Error, Result};

/// A place for files, as a sink's configuration gives it.
#[derive(Clone)]
pub enum StorageLocation {
    Local {
        folder: PathBuf,
    },
    S3 {
        bucket: String,
        region: String,
        prefix: String,
        endpoint: Option<String>,
        access_key_id: String,
        secret_access_key: String,
    },
}

/// A place for files that can be used.
#[derive(Debug, Clone)]
pub struct Storage {
    folder: PathBuf,
}

impl Storage {
    /// Opens a place; nothing is touched yet.
    ///
    /// # Errors
    /// `unsupported` for object storage, `invalid-input` for a path that is none.
    pub fn open(_location: StorageLocation) -> Result<Self> {
        Err(Error::internal("unfinished"))
    }

    /// Tests it: writes an object, reads it back, deletes it.
    ///
    /// # Errors
    /// `invalid-input` for `path`, saying which of the three failed and why.
    pub async fn check(&self) -> Result<()> {
        let _ = &self.folder;
        Err(Error::internal("unfinished"))
    }
}
