//! Folders of the host's machine, to read.
//!
//! The policy says where a path is and whether it is in a granted folder; reading is the runtime's, which opens the granted
//! folders in the instance, read-only. So a plugin that never asks reads no more than one that does.

mod policy;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use asgard_contract::{Error, Result};

pub(crate) use policy::Policy;

use crate::holder::Holder;

/// What is lent.
#[derive(Clone)]
pub struct Folders {
    pub(crate) holder: Holder,
    pub(crate) granted: Arc<Policy>,
}

impl Folders {
    /// All granted folders as absolute paths, there or not.
    pub fn granted(&self) -> impl Iterator<Item = &Path> {
        self.granted.folders().iter().map(PathBuf::as_path)
    }

    /// Where `path` may be opened: an absolute path. A relative one is below the environment's own folder.
    ///
    /// # Errors
    /// `invalid-input` for what is no such path; `forbidden` outside of the granted folders; `not-found` when the granted
    /// folder is not there.
    pub async fn locate(&self, path: &str) -> Result<String> {
        let locating = async {
            let absolute = self.granted.absolute(path)?;
            let Some(folder) = self.granted.folder_of(&absolute) else {
                let addition = format!("add `\"{}\"`, or a folder above it, to", absolute.display());
                return Err(self.holder.forbidden(&format!("read `{}`", absolute.display()), "files", &addition));
            };
            if !tokio::fs::metadata(folder).await.is_ok_and(|found| found.is_dir()) {
                return Err(Error::not_found(format!(
                    "`{}`, which {} names, is no folder of the host's machine: make it, or take it out of the grant",
                    folder.display(),
                    self.holder.grant("files")
                )));
            }
            Ok(absolute.to_string_lossy().into_owned())
        };
        self.holder.using("files", "locate", path, locating).await
    }
}
