//! Folders of this machine.
//!
//! Locations are URLs with the path as it is (`file:///data/a b`): Iceberg's readers do not decode them, so characters that
//! mean something in a URL are refused.

use std::path::{Component, Path};

use asgard_contract::{Error, Result};

pub(super) const SCHEME: &str = "file://";

/// Tests a folder: makes it, writes a file, reads it back, deletes it.
pub(super) async fn check(folder: &Path) -> Result<()> {
    let file = folder.join(format!(".asgard-check-{}", uuid::Uuid::new_v4().simple()));
    let failed = |what: &str, error: &std::io::Error| {
        Error::invalid("path", format!("`{}` cannot be used: {what}: {error}", folder.display()))
    };
    tokio::fs::create_dir_all(folder).await.map_err(|error| failed("making the folder", &error))?;
    let written = tokio::fs::write(&file, SCHEME).await;
    let read = tokio::fs::read(&file).await;
    let deleted = tokio::fs::remove_file(&file).await;
    written.map_err(|error| failed("writing a file", &error))?;
    let read = read.map_err(|error| failed("reading the file back", &error))?;
    if read != SCHEME.as_bytes() {
        let message = format!("`{}` cannot be used: a file reads back differently", folder.display());
        return Err(Error::invalid("path", message));
    }
    deleted.map_err(|error| failed("deleting the file", &error))
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

/// The path behind a location of this machine; none = it is somewhere else.
pub(crate) fn path_of(location: &str) -> Option<&Path> {
    let path = location.strip_prefix(SCHEME).or_else(|| location.strip_prefix("file:")).unwrap_or(location);
    path.starts_with('/').then(|| Path::new(path))
}
