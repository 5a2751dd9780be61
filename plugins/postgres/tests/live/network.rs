//! The connector's capabilities over the operating system, in place of the host's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use asgard_plugin_postgres::capabilities::{Capabilities, Transport};
use asgard_sdk::context::Level;
use asgard_sdk::credentials::ScramProof;
use asgard_sdk::sockets::Verification;
use asgard_sdk::{Error, Result};
use hmac::{Hmac, Mac};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use sha2::{Digest, Sha256};

/// Knows passwords, keeps the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    log: Arc<Mutex<Vec<String>>>,
}

impl Network {
    /// The lines so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }
}

/// In these tests a reference holds the password itself.
fn password(secret: &str) -> &str {
    secret.strip_prefix("secret://").unwrap()
}

impl Capabilities for Network {
    fn connect(&self, host: &str, port: u16, _timeout_ms: u32) -> Result<Box<dyn Transport>> {
        let stream = TcpStream::connect((host, port)).map_err(|error| Error::unavailable(error.to_string()))?;
        Ok(Box::new(Socket { stream: Stream::Plain(stream), binding: None }))
    }

    fn scram_sha_256(&self, secret: &str, salt: &[u8], iterations: u32, message: &[u8]) -> Result<ScramProof> {
        let hmac = |key: &[u8], data: &[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        };
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password(secret).as_bytes(), salt, iterations);
        let client_key = hmac(&salted, b"Client Key");
        let signature = hmac(&Sha256::digest(&client_key), message);
        let client_proof = client_key.iter().zip(signature).map(|(key, signature)| key ^ signature).collect();
        let server_signature = hmac(&hmac(&salted, b"Server Key"), message);
        Ok(ScramProof { client_proof, server_signature })
    }

    fn postgres_md5(&self, secret: &str, user: &str, salt: &[u8]) -> Result<String> {
        let inner = format!("{:x}", md5::Md5::digest(format!("{}{user}", password(secret))));
        Ok(format!("md5{:x}", md5::Md5::digest([inner.as_bytes(), salt].concat())))
    }

    fn reveal(&self, secret: &str) -> Result<String> {
        Ok(password(secret).to_owned())
    }

    fn log(&self, _level: Level, message: &str) {
        self.log.lock().unwrap().push(message.to_owned());
    }
}

struct Socket {
    stream: Stream,
    binding: Option<Vec<u8>>,
}

enum Stream {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
    Handshaking,
}

impl Transport for Socket {
    fn read(&mut self, max: u32) -> Result<Vec<u8>> {
        let mut data = vec![0; max as usize];
        let length = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut data),
            Stream::Secure(stream) => stream.read(&mut data),
            Stream::Handshaking => unreachable!(),
        };
        data.truncate(length.map_err(|error| Error::unavailable(error.to_string()))?);
        Ok(data)
    }

    fn write(&mut self, data: &[u8]) -> Result<()> {
        let written = match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(data),
            Stream::Secure(stream) => stream.write_all(data).and_then(|()| stream.flush()),
            Stream::Handshaking => unreachable!(),
        };
        written.map_err(|error| Error::unavailable(error.to_string()))
    }

    fn start_tls(&mut self, _verification: Verification, _authority: Option<&str>) -> Result<()> {
        let Stream::Plain(mut stream) = std::mem::replace(&mut self.stream, Stream::Handshaking) else {
            unreachable!()
        };
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).map_err(|error| Error::unavailable(error.to_string()))?;
        }
        let certificate = connection.peer_certificates().unwrap()[0].clone();
        // The test's certificates are signed with SHA-256, and so the binding is made with it.
        self.binding = Some(Sha256::digest(&certificate).to_vec());
        self.stream = Stream::Secure(Box::new(StreamOwned::new(connection, stream)));
        Ok(())
    }

    fn set_timeout(&mut self, _timeout_ms: u32) {}

    fn channel_binding(&self) -> Option<Vec<u8>> {
        self.binding.clone()
    }
}

/// Checking certificates is the host's business.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
