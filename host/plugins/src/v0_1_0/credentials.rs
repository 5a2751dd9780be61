//! `asgard:credentials`: proofs that a password is known.

use asgard_contract::manifest::Capability;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::credentials::password as wit;
use crate::v0_1_0::types::wit::Error;

impl wit::Host for Host {
    async fn scram_sha_256(
        &mut self,
        secret: String,
        salt: Vec<u8>,
        iterations: u32,
        auth_message: Vec<u8>,
    ) -> Result<wit::ScramProof, Error> {
        let passwords = self.call.lent.credentials.as_ref().ok_or_else(|| self.not_lent(Capability::Credentials))?;
        let proof = passwords.scram_sha_256(&secret, &salt, iterations, &auth_message).await?;
        Ok(wit::ScramProof { client_proof: proof.client_proof, server_signature: proof.server_signature })
    }

    async fn postgres_md5(&mut self, secret: String, user: String, salt: Vec<u8>) -> Result<String, Error> {
        let passwords = self.call.lent.credentials.as_ref().ok_or_else(|| self.not_lent(Capability::Credentials))?;
        Ok(passwords.postgres_md5(&secret, &user, &salt).await?)
    }

    async fn reveal(&mut self, secret: String) -> Result<String, Error> {
        let passwords = self.call.lent.credentials.as_ref().ok_or_else(|| self.not_lent(Capability::Credentials))?;
        Ok(passwords.reveal(&secret).await?)
    }
}
