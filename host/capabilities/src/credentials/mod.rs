//! Proofs that a password is known, so that the password stays in the host.
//!
//! A plugin names a secret by the reference that stands in its configuration, and gets what its protocol needs: a SCRAM
//! proof, an md5 answer. The secret itself comes out only where the binding says `reveal_secrets`.

mod proofs;

use std::sync::Arc;

use asgard_contract::{Error, Result};

use crate::blocking::blocking;
use crate::holder::Holder;
use crate::secrets::{self, Secrets};

/// RFC 7677's minimum: below it, a stolen proof is guessed too fast.
const FEWEST_ITERATIONS: u32 = 4_096;
/// Some seconds of one core; more is a server that wants the host to compute for it.
const MOST_ITERATIONS: u32 = 10_000_000;

/// See RFC 5802.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramProof {
    pub client_proof: Vec<u8>,
    pub server_signature: Vec<u8>,
}

/// What is lent.
#[derive(Clone)]
pub struct Passwords {
    pub(crate) holder: Holder,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) may_reveal: bool,
}

impl Passwords {
    /// SCRAM-SHA-256 (RFC 7677) over `auth_message`.
    ///
    /// # Errors
    /// `invalid-input` for what is no reference or out of bounds; `not-found` for a secret that is not there.
    pub async fn scram_sha_256(
        &self,
        secret: &str,
        salt: &[u8],
        iterations: u32,
        auth_message: &[u8],
    ) -> Result<ScramProof> {
        let proving = async {
            if !(FEWEST_ITERATIONS..=MOST_ITERATIONS).contains(&iterations) {
                let message = format!(
                    "{iterations} iterations of SCRAM: between {FEWEST_ITERATIONS} and {MOST_ITERATIONS} are accepted"
                );
                return Err(Error::invalid("iterations", message));
            }
            let password = self.value(secret).await?;
            let (salt, auth_message) = (salt.to_vec(), auth_message.to_vec());
            blocking(move || proofs::scram_sha_256(&password, &salt, iterations, &auth_message)).await
        };
        self.holder.using("credentials", "scram-sha-256", secret, proving).await
    }

    /// PostgreSQL's `md5` answer.
    ///
    /// # Errors
    /// As for `scram_sha_256`.
    pub async fn postgres_md5(&self, secret: &str, user: &str, salt: &[u8]) -> Result<String> {
        let answering = async { Ok(proofs::postgres_md5(&self.value(secret).await?, user, salt)) };
        self.holder.using("credentials", "postgres-md5", secret, answering).await
    }

    /// The secret itself.
    ///
    /// # Errors
    /// `forbidden` without the grant; else as for `scram_sha_256`.
    pub async fn reveal(&self, secret: &str) -> Result<String> {
        let revealing = async {
            if !self.may_reveal {
                return Err(self.holder.forbidden("see a secret itself", "reveal_secrets", "set to true"));
            }
            self.value(secret).await
        };
        self.holder.using("credentials", "reveal", secret, revealing).await
    }

    async fn value(&self, secret: &str) -> Result<String> {
        let name = secrets::reference(secret).ok_or_else(|| {
            // Not shown: it may be a password in the wrong place.
            Error::invalid("secret", "this is no reference to a secret: expected `secret://NAME`")
        })?;
        self.secrets.get(&self.holder.caller.environment, name).await
    }
}
