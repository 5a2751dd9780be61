//! TLS configurations for the three ways to check a certificate, and what to say when a handshake fails.

use std::sync::{Arc, OnceLock};

use asgard_contract::{Error, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

use super::Verification;
use crate::addresses::Host;

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

/// The system's authorities, read once: it takes some ten milliseconds.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a certificate of the system cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        Arc::new(roots)
    }))
}

fn roots(authority: Option<&str>) -> Result<Arc<RootCertStore>> {
    let Some(pem) = authority else { return Ok(system_roots()) };
    let wrong = |why: String| Error::invalid("authority", format!("the authority's certificate cannot be read: {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| wrong(format!("{error}")))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("expected PEM, `-----BEGIN CERTIFICATE-----`".to_owned()));
    }
    Ok(Arc::new(roots))
}

/// A configuration that verifies fully against the system's authorities; for HTTP.
pub(crate) fn system_config() -> Result<ClientConfig> {
    Ok(builder()?.with_root_certificates(system_roots()).with_no_client_auth())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(format!("TLS cannot be set up: {error}")))
}

pub(super) fn client_config(verification: Verification, authority: Option<&str>) -> Result<Arc<ClientConfig>> {
    let check = match verification {
        Verification::None => Check::Nothing,
        Verification::Authority => Check::Issuer(issuer(authority)?),
        Verification::Full => Check::IssuerAndName(issuer(authority)?),
    };
    let verifier = Arc::new(Verifier { check, provider: provider() });
    Ok(Arc::new(builder()?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

fn issuer(authority: Option<&str>) -> Result<Issuer> {
    let chain = WebPkiServerVerifier::builder_with_provider(roots(authority)?, provider())
        .build()
        .map_err(|error| Error::invalid("authority", format!("the authority cannot be used: {error}")))?;
    let given = authority.map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(std::result::Result::ok));
    Ok(Issuer { chain, given: given.into_iter().flatten().collect() })
}

/// Names in certificates are host names or addresses.
pub(crate) fn server_name(host: &Host) -> Result<ServerName<'static>> {
    match host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| Error::invalid("host", format!("`{name}` is no name that a certificate could have"))),
    }
}

pub(crate) fn handshake_error(target: &str, error: &std::io::Error) -> Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match tls {
        Some(error) => explain(error),
        None if error.kind() == std::io::ErrorKind::TimedOut => "the server does not answer".to_owned(),
        None => format!("the server ended it: {error}"),
    };
    Error::unavailable(format!("TLS with `{target}` failed: {why}"))
}

/// A TLS error in words that say what to change.
pub(crate) fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate comes from an authority that is not trusted here: give the authority's certificate"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is made for another name".to_owned(),
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
            "its certificate names an authority that did not sign it: give that authority's certificate".to_owned()
        }
        error if is_authority(error) => {
            "its certificate is an authority's own (CaUsedAsEndEntity): give that very certificate as the authority's, or a server \
             certificate to the server"
                .to_owned()
        }
        rustls::Error::InvalidMessage(_) => "it does not speak TLS on this port".to_owned(),
        other => other.to_string(),
    }
}

/// Checks a server's certificate. The handshake's signatures are always checked: without that, the peer need not even own the
/// certificate that it shows, and the channel binding would bind nothing.
#[derive(Debug)]
struct Verifier {
    check: Check,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Check {
    Nothing,
    /// Chain and dates, but any name.
    Issuer(Issuer),
    IssuerAndName(Issuer),
}

/// Who may have issued the certificate.
#[derive(Debug)]
struct Issuer {
    chain: Arc<WebPkiServerVerifier>,
    /// Certificates that were given, as against the system's. One of them may be the server's own: a certificate that is its own
    /// authority, as `openssl req -x509` makes it. Whoever gave it trusts it, as libpq does; the standard of chains does not know
    /// an authority that is a server.
    given: Vec<CertificateDer<'static>>,
}

impl Issuer {
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        match self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp, now) {
            // Its dates are checked before that.
            Err(error) if is_authority(&error) && self.given.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }
}

/// The only thing wrong with the certificate is that it is an authority's.
fn is_authority(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(error))) = error else { return false };
    matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        match &self.check {
            Check::Nothing => Ok(ServerCertVerified::assertion()),
            Check::IssuerAndName(issuer) => issuer.verify(end_entity, intermediates, server_name, ocsp, now),
            Check::Issuer(issuer) => match issuer.verify(end_entity, intermediates, server_name, ocsp, now) {
                // The name is checked last, so all else was right.
                Err(rustls::Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )) => Ok(ServerCertVerified::assertion()),
                other => other,
            },
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
