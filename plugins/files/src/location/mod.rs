//! Where files are: found by patterns, read by ranges.
//!
//! A file has a *version*: what its location tells about its content without reading it. Reading compares it with each answer, so
//! that no row comes of half an old file and half a new one.

mod http;
mod local;
mod parts;
mod pattern;
mod request;
mod s3;

use std::sync::Arc;

use asgard_sdk::{Error, Result};
use bytes::Bytes;

pub use parts::Parts;
pub use pattern::Pattern;

use crate::configuration::Location;

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As people know it, and as `_file` has it: an absolute path, `s3://bucket/key`, a URL without its query.
    pub path: String,
    /// As the location finds it again.
    pub address: String,
    pub size: u64,
    /// None: the location cannot tell whether the file changed.
    pub version: Option<String>,
    /// Milliseconds since 1970, where the location tells.
    pub modified: Option<i64>,
}

/// A file that is being read.
pub trait Source: Send + Sync {
    /// Bytes of the whole file.
    fn size(&self) -> u64;

    /// `length` bytes from `offset` on; fewer at the file's end.
    ///
    /// # Errors
    /// `unavailable` when the file changed meanwhile, or cannot be reached now.
    fn read(&self, offset: u64, length: usize) -> Result<Bytes>;

    /// Looks whether the file still has the version that it was found with.
    ///
    /// # Errors
    /// `unavailable` when it does not.
    fn prove_unchanged(&self) -> Result<()>;
}

/// All files that match one of the patterns, each once, by path.
///
/// # Errors
/// Those of the location: no grant, no credentials, not there.
pub fn find(location: &Location, patterns: &[String]) -> Result<Vec<Entry>> {
    let mut found = match location {
        Location::Local { folder } => local::find(folder, patterns)?,
        Location::S3(s3) => s3::find(s3, patterns)?,
        Location::Http(http) => http::find(http, patterns)?,
    };
    found.sort_by(|a, b| a.path.cmp(&b.path).then_with(|| a.address.cmp(&b.address)));
    found.dedup_by(|a, b| a.address == b.address);
    Ok(found)
}

/// Opens a file.
///
/// # Errors
/// As [`find`].
pub fn open(location: &Location, entry: &Entry) -> Result<Arc<dyn Source>> {
    Ok(match location {
        Location::Local { .. } => Arc::new(local::File::open(entry)?),
        Location::S3(s3) => Arc::new(s3::Object::new(s3, entry)),
        Location::Http(http) => Arc::new(http::Page::open(http, entry)?),
    })
}

/// Where a location's files are, for messages.
pub fn place(location: &Location) -> String {
    match location {
        Location::Local { folder } => folder.clone(),
        Location::S3(s3) => format!("s3://{}/{}", s3.bucket, s3.prefix),
        Location::Http(http) => http.base_url.clone().unwrap_or_else(|| "the web".to_owned()),
    }
}

fn changed(path: &str) -> Error {
    Error::unavailable(format!("`{path}` changed while it was read: the sync starts with it again"))
}
