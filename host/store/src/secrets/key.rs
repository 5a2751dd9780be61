//! Where the key of the secrets comes from, and how it is written down: base64 of 32 bytes.
//!
//! A source may hold several, with white space between them: while a key is changed, hosts have the old one and the new one. Which
//! of them seals is in the database, see [`Keyring`](super::Keyring).

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::database::private_file;
use crate::{StoreError, StoreResult};

/// In the data folder.
const FILE: &str = "secret.key";

pub(super) const KEY_BYTES: usize = 32;

pub(super) type KeyBytes = [u8; KEY_BYTES];

/// Where a host has its key from.
#[derive(Clone, Default)]
pub enum KeySource {
    /// `secret.key` in the data folder, made when there is no secret yet.
    #[default]
    Folder,
    /// A file that is there already.
    File(PathBuf),
    /// The key itself, as an environment variable holds it.
    Text(String),
    /// What a command prints, run by a shell: a key service's client.
    Command(String),
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder => f.write_str("Folder"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text"),
            Self::Command(command) => f.debug_tuple("Command").field(command).finish(),
        }
    }
}

impl KeySource {
    /// The file that keys are in and may be written to.
    pub(super) fn file(&self, folder: &Path) -> Option<PathBuf> {
        match self {
            Self::Folder => Some(folder.join(FILE)),
            Self::File(path) => Some(path.clone()),
            Self::Text(_) | Self::Command(_) => None,
        }
    }

    /// For messages.
    pub(super) fn name(&self, folder: &Path) -> String {
        match self {
            Self::Folder | Self::File(_) => {
                format!("the key {}", self.file(folder).unwrap_or_default().display())
            }
            Self::Text(_) => "the key in ASGARD_SECRET_KEY".to_owned(),
            Self::Command(command) => format!("the key that `{command}` prints"),
        }
    }

    /// The keys; none where the data folder has no file yet.
    pub(super) fn read(&self, folder: &Path) -> StoreResult<Option<Vec<KeyBytes>>> {
        let name = self.name(folder);
        let text = match self {
            Self::Folder | Self::File(_) => {
                let path = self.file(folder).unwrap_or_default();
                match std::fs::read_to_string(&path) {
                    Ok(text) => text,
                    Err(error) if error.kind() == ErrorKind::NotFound && matches!(self, Self::Folder) => {
                        return Ok(None);
                    }
                    Err(error) => return Err(StoreError::Folder(format!("{name} cannot be read: {error}"))),
                }
            }
            Self::Text(text) => text.clone(),
            Self::Command(command) => printed(command)?,
        };
        let keys: Option<Vec<KeyBytes>> =
            text.split_whitespace().map(|key| STANDARD.decode(key).ok()?.try_into().ok()).collect();
        let keys = keys.filter(|keys| !keys.is_empty()).ok_or_else(|| {
            StoreError::Folder(format!(
                "{name} is none: expected {KEY_BYTES} bytes in base64, as `head -c {KEY_BYTES} /dev/urandom | base64` makes them"
            ))
        })?;
        Ok(Some(keys))
    }
}

fn printed(command: &str) -> StoreResult<String> {
    let failed = |reason: String| StoreError::Folder(format!("`{command}`, which is to print the key, {reason}"));
    let output = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(format!("does not start: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("failed: {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| failed("printed no text".to_owned()))
}

pub(super) fn random<const N: usize>() -> StoreResult<[u8; N]> {
    let mut bytes = [0; N];
    OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| StoreError::Folder(format!("the system has no random bytes: {error}")))?;
    Ok(bytes)
}

/// Writes keys to a file that only this user may read. A rename keeps a crash from leaving half a key.
pub(super) fn write(path: &Path, keys: &[KeyBytes]) -> StoreResult<()> {
    let failed = |error| StoreError::Folder(format!("the key {} cannot be written: {error}", path.display()));
    let part = path.with_extension("key.part");
    let mut file = private_file(&part).map_err(failed)?;
    file.set_len(0).map_err(failed)?;
    for key in keys {
        writeln!(file, "{}", STANDARD.encode(key)).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    std::fs::rename(&part, path).map_err(failed)
}
