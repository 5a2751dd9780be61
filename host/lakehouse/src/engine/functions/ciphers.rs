//! `aes_encrypt` and `aes_decrypt`: AES with keys of 16, 24 and 32 bytes, in the modes GCM, CBC and ECB.
//!
//! What is encrypted begins with its nonce (GCM: 12 bytes) or first block (CBC: 16 bytes), and ends, with GCM, with its tag. A nonce
//! that the statement does not give is made at random.

use std::sync::Arc;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::consts::U12;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyInit, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::rand_core::RngCore;
use aes_gcm::aead::{Aead, OsRng, Payload};
use datafusion::arrow::array::{Array, ArrayRef, BinaryBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use super::bytes::bytes_at;

const NONCE: usize = 12;
const BLOCK: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Gcm,
    Cbc,
    Ecb,
}

impl Mode {
    fn parse(mode: Option<&[u8]>, padding: Option<&[u8]>) -> Result<Self> {
        let upper = |name: Option<&[u8]>, default: &str| {
            name.map_or_else(|| default.to_owned(), |name| String::from_utf8_lossy(name).to_ascii_uppercase())
        };
        let (mode, padding) = (upper(mode, "GCM"), upper(padding, "DEFAULT"));
        match (mode.as_str(), padding.as_str()) {
            ("GCM", "DEFAULT" | "NONE") => Ok(Self::Gcm),
            ("CBC", "DEFAULT" | "PKCS") => Ok(Self::Cbc),
            ("ECB", "DEFAULT" | "PKCS") => Ok(Self::Ecb),
            _ => exec_err!(
                "there is no AES with mode {mode} and padding {padding}: expected GCM (NONE), CBC (PKCS) or ECB (PKCS)"
            ),
        }
    }
}

/// One row's arguments.
struct Input<'a> {
    value: &'a [u8],
    key: &'a [u8],
    mode: Mode,
    nonce: &'a [u8],
    aad: &'a [u8],
}

macro_rules! by_key {
    ($key:expr, $function:ident($($argument:expr),*)) => {
        match $key.len() {
            16 => $function::<Aes128>($($argument),*),
            24 => $function::<Aes192>($($argument),*),
            32 => $function::<Aes256>($($argument),*),
            other => return exec_err!("an AES key has 16, 24 or 32 bytes, not {other}"),
        }
    };
}

/// `aes_encrypt(value, key[, mode[, padding[, nonce[, additional data]]]])`.
pub(in crate::engine) fn encrypted(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    each(arguments, true, |input| match by_key!(input.key, encrypt(input)) {
        Some(bytes) => Ok(Some(bytes)),
        None => exec_err!(
            "the nonce of GCM has {NONCE} bytes, the one of CBC {BLOCK}, and ECB has none; additional data is GCM's"
        ),
    })
}

/// `aes_decrypt(value, key[, mode[, padding[, additional data]]])`.
pub(in crate::engine) fn decrypted(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    each(arguments, false, |input| match by_key!(input.key, decrypt(input)) {
        Some(bytes) => Ok(Some(bytes)),
        None => exec_err!(
            "the value cannot be decrypted with this key, mode and additional data: use try_aes_decrypt, which gives null"
        ),
    })
}

pub(in crate::engine) fn tried(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    each(arguments, false, |input| Ok(by_key!(input.key, decrypt(input))))
}

fn each(
    arguments: &[ArrayRef],
    takes_nonce: bool,
    work: impl Fn(&Input<'_>) -> Result<Option<Vec<u8>>>,
) -> Result<ArrayRef> {
    let mut out = BinaryBuilder::new();
    for row in 0..arguments[0].len() {
        if arguments.iter().any(|argument| argument.is_null(row)) {
            out.append_null();
            continue;
        }
        let at = |index: usize| arguments.get(index).and_then(|argument| bytes_at(argument, row));
        let mode = Mode::parse(at(2), at(3))?;
        let (nonce, aad) = if takes_nonce { (at(4), at(5)) } else { (None, at(4)) };
        let (nonce, aad) = (nonce.unwrap_or_default(), aad.unwrap_or_default());
        let (value, key) = (at(0).unwrap_or_default(), at(1).unwrap_or_default());
        if mode != Mode::Gcm && !aad.is_empty() {
            return exec_err!("additional data is for AES in mode GCM only");
        }
        out.append_option(work(&Input { value, key, mode, nonce, aad })?);
    }
    Ok(Arc::new(out.finish()))
}

/// None: the nonce has another length.
fn encrypt<A>(input: &Input<'_>) -> Option<Vec<u8>>
where
    A: KeyInit
        + aes::cipher::BlockCipher
        + aes::cipher::BlockEncrypt
        + aes::cipher::BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
{
    let nonce = |length: usize| match input.nonce.len() {
        0 => {
            let mut random = vec![0; length];
            OsRng.try_fill_bytes(&mut random).ok()?;
            Some(random)
        }
        given if given == length => Some(input.nonce.to_vec()),
        _ => None,
    };
    match input.mode {
        Mode::Gcm => {
            let nonce = nonce(NONCE)?;
            let cipher = AesGcm::<A, U12>::new_from_slice(input.key).ok()?;
            let payload = Payload { msg: input.value, aad: input.aad };
            let sealed = cipher.encrypt(GenericArray::from_slice(&nonce), payload).ok()?;
            Some([nonce, sealed].concat())
        }
        Mode::Cbc => {
            let first = nonce(BLOCK)?;
            let cipher = cbc::Encryptor::<A>::new_from_slices(input.key, &first).ok()?;
            Some([first, cipher.encrypt_padded_vec_mut::<Pkcs7>(input.value)].concat())
        }
        Mode::Ecb if !input.nonce.is_empty() => None,
        Mode::Ecb => Some(A::new_from_slice(input.key).ok()?.encrypt_padded_vec_mut::<Pkcs7>(input.value)),
    }
}

/// None: it was not encrypted so.
fn decrypt<A>(input: &Input<'_>) -> Option<Vec<u8>>
where
    A: KeyInit
        + aes::cipher::BlockCipher
        + aes::cipher::BlockEncrypt
        + aes::cipher::BlockDecrypt
        + aes::cipher::BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
{
    match input.mode {
        Mode::Gcm => {
            let (nonce, sealed) = input.value.split_at_checked(NONCE)?;
            let cipher = AesGcm::<A, U12>::new_from_slice(input.key).ok()?;
            cipher.decrypt(GenericArray::from_slice(nonce), Payload { msg: sealed, aad: input.aad }).ok()
        }
        Mode::Cbc => {
            let (first, sealed) = input.value.split_at_checked(BLOCK)?;
            cbc::Decryptor::<A>::new_from_slices(input.key, first).ok()?.decrypt_padded_vec_mut::<Pkcs7>(sealed).ok()
        }
        Mode::Ecb => A::new_from_slice(input.key).ok()?.decrypt_padded_vec_mut::<Pkcs7>(input.value).ok(),
    }
}
