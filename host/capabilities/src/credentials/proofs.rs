//! The computations.

use std::borrow::Cow;

use asgard_contract::{Error, Result};
use hmac::{Hmac, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};

use super::ScramProof;

pub(super) fn scram_sha_256(password: &str, salt: &[u8], iterations: u32, auth_message: &[u8]) -> Result<ScramProof> {
    // What cannot be normalised is used as it is, as PostgreSQL does.
    let password = stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password));
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut salted);
    let client_key = hmac(&salted, b"Client Key")?;
    let stored_key = Sha256::digest(&client_key);
    let client_signature = hmac(&stored_key, auth_message)?;
    let server_key = hmac(&salted, b"Server Key")?;
    Ok(ScramProof {
        client_proof: client_key.iter().zip(&client_signature).map(|(a, b)| a ^ b).collect(),
        server_signature: hmac(&server_key, auth_message)?,
    })
}

pub(super) fn postgres_md5(password: &str, user: &str, salt: &[u8]) -> String {
    let inner = hexadecimal(&Md5::digest([password.as_bytes(), user.as_bytes()].concat()));
    format!("md5{}", hexadecimal(&Md5::digest([inner.as_bytes(), salt].concat())))
}

fn hmac(key: &[u8], data: &[u8]) -> Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| Error::internal(error.to_string()))?;
    mac.update(data);
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// RFC 7677, section 3.
    #[test]
    fn the_scram_proof_is_the_one_of_the_rfc() {
        let auth_message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let proof = scram_sha_256("pencil", &salt, 4096, auth_message.as_bytes()).unwrap();
        assert_eq!(STANDARD.encode(proof.client_proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert_eq!(STANDARD.encode(proof.server_signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_password_that_looks_the_same_is_the_same() {
        // RFC 4013: the soft hyphen is nothing, the ordinal indicator an `a`.
        let plain = scram_sha_256("IXa", b"salt", 4096, b"message").unwrap();
        assert_eq!(scram_sha_256("I\u{AD}X\u{AA}", b"salt", 4096, b"message").unwrap(), plain);
    }

    #[test]
    fn the_md5_answer_is_postgresqls() {
        // By Python's hashlib; what `SELECT 'md5' || md5(md5('secretada') || …)` gives.
        assert_eq!(postgres_md5("secret", "ada", &[1, 2, 3, 4]), "md5164dbcd37c01a78e869e72965960a754");
    }
}
