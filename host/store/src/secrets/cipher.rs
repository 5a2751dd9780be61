//! Values sealed with one key.
//!
//! XChaCha20-Poly1305: its nonces are long enough to be drawn at random for ever. A value is bound to its environment and
//! name, so rows that change places in the database do not open.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use super::key::{KeyBytes, random};
use crate::{StoreError, StoreResult};

const NONCE_BYTES: usize = 24;

/// First byte of what is stored: how the rest is made. The first form did not say which key it takes.
const WITHOUT_KEY_ID: u8 = 1;
const WITH_KEY_ID: u8 = 2;

/// Which key: the begin of its hash, which tells nothing about it.
pub(super) type KeyId = [u8; 8];

pub(super) struct Cipher {
    pub(super) id: KeyId,
    pub(super) key: KeyBytes,
    cipher: XChaCha20Poly1305,
}

/// A stored value, taken apart.
pub(super) struct Sealed<'a> {
    /// None: of the form that did not say.
    pub(super) key: Option<KeyId>,
    nonce: [u8; NONCE_BYTES],
    ciphertext: &'a [u8],
}

impl<'a> Sealed<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let short = "it is cut short";
        let (key, rest) = match bytes.split_first().ok_or(short)? {
            (&WITHOUT_KEY_ID, rest) => (None, rest),
            (&WITH_KEY_ID, rest) => {
                let (id, rest) = rest.split_first_chunk().ok_or(short)?;
                (Some(*id), rest)
            }
            _ => return Err("a newer version of asgard wrote it"),
        };
        let (nonce, ciphertext) = rest.split_first_chunk().ok_or(short)?;
        Ok(Self { key, nonce: *nonce, ciphertext })
    }
}

impl Cipher {
    pub(super) fn new(key: KeyBytes) -> Self {
        let hash = Sha256::digest(key);
        let mut id = KeyId::default();
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self { id, key, cipher: XChaCha20Poly1305::new(&Key::from(key)) }
    }

    pub(super) fn seal(&self, environment: &str, name: &str, value: &str) -> StoreResult<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = random()?;
        let owner = owner(environment, name);
        let payload = Payload { msg: value.as_bytes(), aad: &owner };
        let ciphertext = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| StoreError::unreadable(format!("secret `{name}`"), "it is too long"))?;
        Ok([&[WITH_KEY_ID], self.id.as_slice(), &nonce, &ciphertext].concat())
    }

    /// None: it was sealed with another key, or under another name.
    pub(super) fn open(&self, environment: &str, name: &str, sealed: &Sealed<'_>) -> Option<String> {
        let owner = owner(environment, name);
        let payload = Payload { msg: sealed.ciphertext, aad: &owner };
        let value = self.cipher.decrypt(&XNonce::from(sealed.nonce), payload).ok()?;
        String::from_utf8(value).ok()
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
