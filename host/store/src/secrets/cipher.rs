//! The key file, and values sealed with it.
//!
//! XChaCha20-Poly1305: its nonces are long enough to be drawn at random for ever. A value is bound to its environment and
//! name, so rows that change places in the database do not open. The key never leaves this file.

use std::io::{ErrorKind, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sqlx::AnyPool;

use crate::database::private_file;
use crate::{StoreError, StoreResult};

const FILE: &str = "secret.key";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// First byte of what is stored: how the rest is made.
const VERSION: u8 = 1;

pub(crate) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    /// Reads the key, or makes it where there is no secret yet.
    ///
    /// # Errors
    /// [`StoreError::Folder`] when secrets are stored and their key is gone or another one.
    pub(crate) async fn open(folder: &Path, database: &AnyPool) -> StoreResult<Self> {
        let path = folder.join(FILE);
        let sealed: Option<(String, String, Vec<u8>)> =
            sqlx::query_as("SELECT environment, name, sealed FROM secrets LIMIT 1").fetch_optional(database).await?;
        let key = match read(&path)? {
            Some(key) => key,
            None if sealed.is_some() => {
                return Err(StoreError::Folder(format!(
                    "the key {} is gone, and the stored secrets cannot be read without it: put it back from a backup",
                    path.display()
                )));
            }
            None => make(&path)?,
        };
        let cipher = Self(XChaCha20Poly1305::new(&Key::from(key)));
        if let Some((environment, name, sealed)) = sealed {
            cipher.open_sealed(&environment, &name, &sealed).map_err(|_| {
                StoreError::Folder(format!(
                    "the key {} is not the one that the stored secrets were encrypted with: put that one back",
                    path.display()
                ))
            })?;
        }
        Ok(cipher)
    }

    pub(crate) fn seal(&self, environment: &str, name: &str, value: &str) -> StoreResult<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce)?;
        let owner = owner(environment, name);
        let payload = Payload { msg: value.as_bytes(), aad: &owner };
        let ciphertext = self
            .0
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| StoreError::unreadable(format!("secret `{name}`"), "it is too long"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    pub(crate) fn open_sealed(&self, environment: &str, name: &str, sealed: &[u8]) -> StoreResult<String> {
        let unreadable = |reason: &str| StoreError::unreadable(format!("secret `{name}`"), reason);
        let Some((&[VERSION], rest)) = sealed.split_first_chunk::<1>() else {
            return Err(unreadable("a newer version of asgard wrote it"));
        };
        let Some((nonce, ciphertext)) = rest.split_first_chunk::<NONCE_BYTES>() else {
            return Err(unreadable("it is cut short"));
        };
        let owner = owner(environment, name);
        let payload = Payload { msg: ciphertext, aad: &owner };
        let value =
            self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| unreadable("it does not open with this key"))?;
        String::from_utf8(value).map_err(|_| unreadable("it is no text"))
    }
}

/// Neither part can hold a NUL that would let two pairs look alike: lengths come first.
fn owner(environment: &str, name: &str) -> Vec<u8> {
    let mut owner = Vec::with_capacity(8 + environment.len() + name.len());
    owner.extend_from_slice(&(environment.len() as u64).to_le_bytes());
    owner.extend_from_slice(environment.as_bytes());
    owner.extend_from_slice(name.as_bytes());
    owner
}

fn random(bytes: &mut [u8]) -> StoreResult<()> {
    OsRng.try_fill_bytes(bytes).map_err(|error| StoreError::Folder(format!("the system has no random bytes: {error}")))
}

fn read(path: &Path) -> StoreResult<Option<[u8; KEY_BYTES]>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::Folder(format!("the key {} cannot be read: {error}", path.display()))),
    };
    let key = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    key.map(Some).ok_or_else(|| {
        StoreError::Folder(format!("{} holds no key: expected {KEY_BYTES} bytes in base64", path.display()))
    })
}

/// The caller holds the opening lock, so nobody makes another one meanwhile; a rename keeps a crash from leaving half a key.
fn make(path: &Path) -> StoreResult<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    random(&mut key)?;
    let failed = |error| StoreError::Folder(format!("the key {} cannot be made: {error}", path.display()));
    let part = path.with_extension("key.part");
    let mut file = private_file(&part).map_err(failed)?;
    file.set_len(0).map_err(failed)?;
    writeln!(file, "{}", STANDARD.encode(key)).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&part, path).map_err(failed)?;
    Ok(key)
}
