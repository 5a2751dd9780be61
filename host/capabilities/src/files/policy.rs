//! Which folders are granted, and which of them a path is in.
//!
//! | grant | reads |
//! | --- | --- |
//! | `/data/in` | this folder and all below it |
//! | `in` | the folder `in` in the environment's own folder, which is made when it is not there |
//!
//! Refused are paths with `..`, and a folder that has the host's own data in it: the key of the secrets is there.

use std::path::{Component, Path, PathBuf};

use asgard_contract::{Error, Result};
use url::Url;

/// The folders of one binding, parsed once.
#[derive(Debug)]
pub(crate) struct Policy {
    /// The environment's own folder, which relative paths are below.
    own: PathBuf,
    folders: Vec<PathBuf>,
}

impl Policy {
    /// # Errors
    /// `invalid-input` in `files[N]`; `internal` when a folder of the environment cannot be made.
    pub(crate) fn parse(grants: &[String], own: &Path) -> Result<Self> {
        let mut policy = Self { own: own.to_owned(), folders: Vec::new() };
        for (index, grant) in grants.iter().enumerate() {
            let folder = policy.absolute(grant).map_err(|error| match error {
                Error::InvalidInput { message, .. } => Error::invalid(format!("files[{index}]"), message),
                other => other,
            })?;
            if own.starts_with(&folder) || folder.canonicalize().is_ok_and(|real| own.starts_with(real)) {
                let message = format!("`{grant}` has the host's own data in it: grant a folder beside it");
                return Err(Error::invalid(format!("files[{index}]"), message));
            }
            if Path::new(grant).is_relative() {
                std::fs::create_dir_all(&folder)
                    .map_err(|error| crate::blocking::file_error("making", &folder, &error))?;
            }
            policy.folders.push(folder);
        }
        Ok(policy)
    }

    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The path from the root on, without `.` and doubled `/`.
    ///
    /// # Errors
    /// `invalid-input` in `path`.
    pub(crate) fn absolute(&self, path: &str) -> Result<PathBuf> {
        let wrong = |why: &str| Error::invalid("path", format!("`{}` is no path: {why}", path.escape_debug()));
        if path.is_empty() {
            return Err(wrong("it is empty"));
        }
        if path.chars().any(char::is_control) {
            return Err(wrong("it has a control character"));
        }
        let mut absolute = if path.starts_with('/') { PathBuf::from("/") } else { self.own.clone() };
        for component in Path::new(path).components() {
            match component {
                Component::Normal(name) => absolute.push(name),
                Component::ParentDir => return Err(wrong("`..` is not allowed")),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        Ok(absolute)
    }

    /// Whether a location of this machine, `file:///…`, is in a granted folder; what a link leads to counts.
    ///
    /// # Errors
    /// `invalid-input` for what is no path, or is not there.
    pub(crate) async fn admits(&self, location: &str) -> Result<bool> {
        let wrong = |why: String| Error::invalid("location", format!("`{location}` {why}"));
        let path = Url::parse(location).ok().and_then(|url| url.to_file_path().ok());
        let path = path.ok_or_else(|| wrong("is no path of this machine: expected `file:///FOLDER`".to_owned()))?;
        let real = tokio::fs::canonicalize(&path).await.map_err(|error| wrong(format!("cannot be read: {error}")))?;
        for folder in &self.folders {
            if tokio::fs::canonicalize(folder).await.is_ok_and(|folder| real.starts_with(folder)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The granted folder that an absolute path is in, or is.
    pub(crate) fn folder_of(&self, path: &Path) -> Option<&Path> {
        self.folders.iter().map(PathBuf::as_path).find(|folder| path.starts_with(folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(grants: &[&str]) -> Result<Policy> {
        let own = std::env::temp_dir().join(format!("asgard-files-{}", std::process::id())).join("environments/test");
        Policy::parse(&grants.iter().map(|&grant| grant.to_owned()).collect::<Vec<_>>(), &own)
    }

    #[test]
    fn a_path_is_granted_in_a_folder_and_nowhere_beside_it() {
        let policy = policy(&["/data/in", "own"]).unwrap();
        for (path, granted) in [
            ("/data/in", true),
            ("/data/in/a/b.csv", true),
            ("/data//in/./a.csv", true),
            ("/data/input/a.csv", false),
            ("/data", false),
            ("/", false),
            ("own/a.csv", true),
            ("owned/a.csv", false),
            ("data/in", false),
        ] {
            let absolute = policy.absolute(path).unwrap();
            assert_eq!(policy.folder_of(&absolute).is_some(), granted, "{path}");
        }
    }

    #[test]
    fn a_path_with_dots_or_control_characters_is_refused() {
        let policy = policy(&["/data/in"]).unwrap();
        for path in ["", "..", "/data/in/../../etc", "/data/in/..", "a/../b", "/data/in/a\0", "/data/in/a\n"] {
            assert!(policy.absolute(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn the_hosts_own_data_is_not_granted() {
        for grant in ["/", "/tmp/..", "."] {
            let error = policy(&["/data", grant]).unwrap_err();
            assert!(
                matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == "files[1]"),
                "{error:?}"
            );
        }
    }
}
