//! Under whose name the server runs.

use std::fs::{self, DirBuilder, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Who runs PostgreSQL: whoever we are, or under root somebody without privileges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// The user of this process.
    Own,
    /// Another one, since this process is root's.
    Other {
        /// User id.
        user: u32,
        /// Group id.
        group: u32,
    },
}

impl Account {
    /// `postgres` where there is such a user, else `nobody`: `initdb` wants one that has a name.
    ///
    /// # Errors
    /// Root on a machine with neither.
    pub fn unprivileged() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let users = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        let found = ["postgres", "nobody"].iter().find_map(|name| entry(&users, name));
        found
            .context("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it instead")
    }

    /// Makes a folder that the account owns and reaches: `wanted`, or one under `/var/tmp` in its stead.
    pub(super) fn prepare(&self, wanted: &Path) -> Result<PathBuf> {
        let wanted = std::path::absolute(wanted)?;
        let folder = if self.reaches(&wanted) { wanted } else { substitute(&wanted) };
        let created = DirBuilder::new().recursive(true).mode(0o755).create(&folder);
        created.with_context(|| format!("creating {}", folder.display()))?;
        self.own(&folder)?;
        Ok(folder)
    }

    /// Gives a file or folder to the account.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        if let Self::Other { user, group } = *self {
            chown(path, Some(user), Some(group)).with_context(|| format!("giving away {}", path.display()))?;
            fs::set_permissions(path, Permissions::from_mode(if path.is_dir() { 0o755 } else { 0o600 }))?;
        }
        Ok(())
    }

    /// Whether every folder above `path` lets the account through.
    pub(super) fn reaches(&self, path: &Path) -> bool {
        let Self::Other { user, .. } = *self else { return true };
        path.ancestors().skip(1).filter_map(|folder| folder.metadata().ok()).all(|folder| {
            let passable = if folder.uid() == user { 0o100 } else { 0o001 };
            folder.mode() & passable != 0
        })
    }

    /// Lets `command` run under the account.
    pub(super) fn apply(&self, command: &mut Command) {
        if let Self::Other { user, group } = *self {
            command.uid(user).gid(group);
        }
    }
}

fn entry(users: &str, name: &str) -> Option<Account> {
    let fields: Vec<&str> = users.lines().map(|line| line.split(':').collect()).find(|f: &Vec<_>| f[0] == name)?;
    Some(Account::Other { user: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
}

/// The same one for the same wish.
fn substitute(wanted: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    wanted.hash(&mut hasher);
    Path::new("/var/tmp").join(format!("asgard-postgresql-{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_folder_is_replaced_by_one_that_the_account_reaches() {
        let temporary = tempfile::tempdir().unwrap();
        fs::set_permissions(temporary.path(), Permissions::from_mode(0o700)).unwrap();
        let closed = temporary.path().join("data");
        let stranger = Account::Other { user: 4_000_000, group: 4_000_000 };
        assert!(!stranger.reaches(&closed));
        assert!(Account::Own.reaches(&closed));
        assert!(stranger.reaches(&substitute(&closed)));
        assert_eq!(substitute(&closed), substitute(&closed));
    }

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users = "postgresql:x:7:7::/:/bin/sh\npostgres:x:101:104:Administrator:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(entry(users, "postgres"), Some(Account::Other { user: 101, group: 104 }));
        assert_eq!(entry(users, "nobody"), None);
    }
}
