//! Where files are kept: a folder of this machine.
//!
//! Object storage is named here so that a sink of that type is refused in words: tables that are listed in a local catalog
//! are kept on the same machine. Locations are URLs with the path as it is (`file:///data/a b`): Iceberg's readers do not
//! decode them, so characters that mean something in a URL are refused.

use std::path::{Component, Path, PathBuf};

use asgard_contract::{Error, Result};

const SCHEME: &str = "file://";

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    folder: PathBuf,
}

impl Storage {
    /// Opens a place; nothing is touched yet.
    ///
    /// # Errors
    /// `unsupported` for object storage, `invalid-input` for a `path` that is none.
    pub fn open(location: StorageLocation) -> Result<Self> {
        match location {
            StorageLocation::Local { folder } => {
                location_of(&folder).map_err(|message| Error::invalid("path", message))?;
                Ok(Self { folder })
            }
            StorageLocation::S3 { bucket, .. } => Err(Error::unsupported(format!(
                "bucket `{bucket}`: this environment keeps its tables on this machine; use a sink of type `local`, or an environment whose storage is S3"
            ))),
        }
    }

    /// The place as a URL.
    pub fn url(&self) -> String {
        format!("{SCHEME}{}", self.folder.display())
    }

    /// Tests it: writes an object, reads it back, deletes it.
    ///
    /// # Errors
    /// `invalid-input` for `path`, saying which of the three failed and why.
    pub async fn check(&self) -> Result<()> {
        let file = self.folder.join(format!(".asgard-check-{}", uuid::Uuid::new_v4().simple()));
        let failed = |what: &str, error: &std::io::Error| {
            Error::invalid("path", format!("`{}` cannot be used: {what}: {error}", self.folder.display()))
        };
        tokio::fs::create_dir_all(&self.folder).await.map_err(|error| failed("making the folder", &error))?;
        let written = tokio::fs::write(&file, SCHEME).await;
        let read = tokio::fs::read(&file).await;
        let deleted = tokio::fs::remove_file(&file).await;
        written.map_err(|error| failed("writing a file", &error))?;
        let read = read.map_err(|error| failed("reading the file back", &error))?;
        if read != SCHEME.as_bytes() {
            let message = format!("`{}` cannot be used: a file reads back differently", self.folder.display());
            return Err(Error::invalid("path", message));
        }
        deleted.map_err(|error| failed("deleting the file", &error))
    }
}

/// The URL of a folder. Err: why it can be none.
pub(crate) fn location_of(folder: &Path) -> std::result::Result<String, String> {
    let shown = folder.display();
    let Some(text) = folder.to_str() else { return Err(format!("`{shown}` is not written in UTF-8")) };
    if !folder.is_absolute() {
        return Err(format!("`{shown}` is no absolute path"));
    }
    if folder.components().any(|part| part == Component::ParentDir) {
        return Err(format!("`{shown}` has `..` in it: write the path out"));
    }
    if let Some(bad) = text.chars().find(|c| c.is_control() || ['?', '#', '%', '*'].contains(c)) {
        return Err(format!(
            "`{shown}` has {bad:?} in it, which readers of the tables would misread: choose another name"
        ));
    }
    Ok(format!("{SCHEME}{}", text.trim_end_matches('/')))
}

/// The path behind a location of this machine.
///
/// # Errors
/// `unsupported` for another scheme.
pub(crate) fn path_of(location: &str) -> Result<&Path> {
    match location.strip_prefix(SCHEME).or_else(|| location.strip_prefix("file:")) {
        Some(path) => Ok(Path::new(path)),
        None if location.starts_with('/') => Ok(Path::new(location)),
        None => Err(Error::unsupported(format!(
            "`{location}`: this environment keeps its tables on this machine; only `file://` locations can be read"
        ))),
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

    #[test]
    fn object_storage_is_refused_in_words() {
        let error = Storage::open(StorageLocation::S3 {
            bucket: "lake".into(),
            region: "eu-central-1".into(),
            prefix: String::new(),
            endpoint: None,
            access_key_id: "a".into(),
            secret_access_key: "b".into(),
        })
        .unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }));
    }
}
