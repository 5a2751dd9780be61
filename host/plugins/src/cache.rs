//! Compiled code on disk, found by the component's digest and by all that decides what code the engine makes of it:
//! its version, its settings, this machine's processor.
//!
//! # Hazard
//! What is read here is run as machine code, outside of any sandbox. Who can write to this folder owns the host, as who
//! can write to the rest of its data folder does; the folder is readable by its owner only. A file that was damaged by
//! accident (a full disk, a crash of the machine) is found out by the checksum in front of it and made again.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Length of a SHA-256, the first bytes of a file.
const CHECKSUM: usize = 32;

/// The folder of one engine.
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Makes the folder, and removes those of other engines: their code is of no use to this host any more. None, and a
    /// line in the host's log, when it cannot be made.
    pub(crate) fn open(root: &Path, engine: &Engine) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let folder = root.join(format!("{:016x}", hasher.finish()));
        let made =
            fs::create_dir_all(&folder).and_then(|()| fs::set_permissions(root, fs::Permissions::from_mode(0o700)));
        if let Err(reason) = made {
            tracing::warn!(folder = %folder.display(), %reason, "no cache of compiled plugins; each start compiles anew");
            return None;
        }
        for other in fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if other != folder && other.is_dir() {
                let removed = fs::remove_dir_all(&other);
                tracing::debug!(folder = %other.display(), ?removed, "removed the compiled code of another engine");
            }
        }
        Some(Self { folder })
    }

    /// The compiled component, or none when it is not there or not whole.
    pub(crate) fn get(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        let file = fs::read(&path).ok()?;
        let (checksum, code) = file.split_at_checked(CHECKSUM)?;
        if Sha256::digest(code)[..] != *checksum {
            tracing::warn!(file = %path.display(), "compiled code on disk is damaged; compiling the plugin anew");
            return None;
        }
        #[expect(unsafe_code, reason = "the one place where compiled code comes back; see the module's hazard")]
        // SAFETY: the bytes are those that `put` wrote, by the checksum, into a folder that only the host's owner writes.
        let component = unsafe { Component::deserialize(engine, code) };
        match component {
            Ok(component) => Some(component),
            Err(reason) => {
                tracing::warn!(file = %path.display(), reason = format!("{reason:#}"), "compiled code on disk does not fit");
                None
            }
        }
    }

    /// Keeps the compiled component. Another host, and a crash at any time, sees the whole file or none.
    pub(crate) fn put(&self, digest: &str, component: &Component) {
        let path = self.path(digest);
        let written = component.serialize().map_err(|reason| format!("{reason:#}")).and_then(|code| {
            let write = || {
                let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
                file.write_all(&Sha256::digest(&code))?;
                file.write_all(&code)?;
                file.persist(&path).map_err(|failure| failure.error)
            };
            write().map(drop).map_err(|reason: std::io::Error| reason.to_string())
        });
        if let Err(reason) = written {
            tracing::warn!(file = %path.display(), reason, "compiled code could not be kept; the next start compiles anew");
        }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(digest.replace(':', "-"))
    }
}
