//! The channel binding of a certificate: its hash by the algorithm that signed it (RFC 5929, section 4.1).

use sha2::{Digest, Sha256, Sha384, Sha512};

/// DER of object identifiers, without tag and length.
const SHA1_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05];
const MD5_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04];
const SHA256_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const SHA384_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c];
const SHA512_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d];
const PSS_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const SHA1_ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
const SHA256_ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const SHA384_ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
const SHA512_ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04];
const SHA256_HASH: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const SHA384_HASH: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
const SHA512_HASH: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// The hash of `certificate`, or none for algorithms that RFC 5929 gives no hash for, such as Ed25519.
pub(super) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    match signature_hash(certificate)? {
        Hash::Sha256 => Some(Sha256::digest(certificate).to_vec()),
        Hash::Sha384 => Some(Sha384::digest(certificate).to_vec()),
        Hash::Sha512 => Some(Sha512::digest(certificate).to_vec()),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, parameters }, signature }
fn signature_hash(certificate: &[u8]) -> Option<Hash> {
    let (_, body, _) = element(certificate)?;
    let (_, _, after_tbs) = element(body)?;
    let (tag, algorithm, _) = element(after_tbs)?;
    if tag != SEQUENCE {
        return None;
    }
    let (tag, identifier, parameters) = element(algorithm)?;
    if tag != OBJECT_IDENTIFIER {
        return None;
    }
    match identifier {
        // The RFC replaces the two broken hashes.
        MD5_RSA | SHA1_RSA | SHA1_ECDSA | SHA256_RSA | SHA256_ECDSA => Some(Hash::Sha256),
        SHA384_RSA | SHA384_ECDSA => Some(Hash::Sha384),
        SHA512_RSA | SHA512_ECDSA => Some(Hash::Sha512),
        PSS_RSA => pss_hash(parameters),
        _ => None,
    }
}

/// RSASSA-PSS-params ::= SEQUENCE { [0] hashAlgorithm DEFAULT sha1, … }
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    let (_, parameters, _) = element(parameters)?;
    let Some((0xa0, explicit, _)) = element(parameters) else { return Some(Hash::Sha256) };
    let (_, algorithm, _) = element(explicit)?;
    let (_, identifier, _) = element(algorithm)?;
    match identifier {
        SHA256_HASH => Some(Hash::Sha256),
        SHA384_HASH => Some(Hash::Sha384),
        SHA512_HASH => Some(Hash::Sha512),
        _ => None,
    }
}

/// Tag, content and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        // A certificate's length fits in four bytes.
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
            (bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag, 0x82];
        out.extend((content.len() as u16).to_be_bytes());
        out.extend(content);
        out
    }

    fn certificate(identifier: &[u8], parameters: &[u8]) -> Vec<u8> {
        let algorithm = wrap(SEQUENCE, &[wrap(OBJECT_IDENTIFIER, identifier), parameters.to_vec()].concat());
        wrap(SEQUENCE, &[wrap(SEQUENCE, &[1; 300]), algorithm, wrap(0x03, &[0; 64])].concat())
    }

    #[test]
    fn the_hash_is_that_of_the_signature_but_never_md5_or_sha1() {
        let table = [
            (SHA1_RSA, Some(Hash::Sha256)),
            (SHA256_RSA, Some(Hash::Sha256)),
            (SHA384_ECDSA, Some(Hash::Sha384)),
            (SHA512_RSA, Some(Hash::Sha512)),
            (&[0x2b, 0x65, 0x70][..], None),
        ];
        for (identifier, hash) in table {
            assert_eq!(signature_hash(&certificate(identifier, &[])), hash, "{identifier:?}");
        }
        let pss = wrap(SEQUENCE, &wrap(0xa0, &wrap(SEQUENCE, &wrap(OBJECT_IDENTIFIER, SHA384_HASH))));
        assert_eq!(signature_hash(&certificate(PSS_RSA, &pss)), Some(Hash::Sha384));
    }

    #[test]
    fn a_truncated_certificate_has_no_binding() {
        let whole = certificate(SHA256_RSA, &[]);
        for length in 0..whole.len() - 80 {
            assert_eq!(server_end_point(&whole[..length]), None);
        }
        assert_eq!(server_end_point(&whole).map(|hash| hash.len()), Some(32));
    }
}
