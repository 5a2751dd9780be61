//! Proofs that a password is known.

use asgard_contract::{Error, Result};

/// See RFC 5802.
#[derive(Debug, Clone)]
pub struct ScramProof {
    pub client_proof: Vec<u8>,
    pub server_signature: Vec<u8>,
}

/// What is lent.
#[derive(Clone)]
pub struct Passwords {}

impl Passwords {
    pub async fn scram_sha_256(&self, _secret: &str, _salt: &[u8], _iterations: u32, _auth_message: &[u8]) -> Result<ScramProof> {
        Err(Error::internal("unfinished"))
    }
    pub async fn postgres_md5(&self, _secret: &str, _user: &str, _salt: &[u8]) -> Result<String> {
        Err(Error::internal("unfinished"))
    }
    pub async fn reveal(&self, _secret: &str) -> Result<String> {
        Err(Error::internal("unfinished"))
    }
}
