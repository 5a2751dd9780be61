//! What stands for a key: 128 bits, however long the key is.
//!
//! Two keys with one fingerprint would be one key to a merge, and the row of one of them would be lost. The bits are those of
//! SipHash under a secret that each write draws anew, so nobody can choose keys that meet, and chance does not bring it about:
//! among ten billion keys of a write and ten billion rows of the table two meet in one of 10^18 writes.

use std::hash::{BuildHasher as _, RandomState};

/// Of a key of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fingerprint(pub(super) [u8; 16]);

/// Makes the fingerprints of one write.
#[derive(Default)]
pub(super) struct Fingerprints {
    secret: RandomState,
}

impl Fingerprints {
    pub(super) fn of(&self, key: &[u8]) -> Fingerprint {
        // A hash has 64 bits. Of two different inputs they are independent.
        let (high, low) = (self.secret.hash_one((0_u8, key)), self.secret.hash_one((1_u8, key)));
        Fingerprint(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
    }
}
