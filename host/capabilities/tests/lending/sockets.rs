use std::sync::Arc;

use asgard_capabilities::sockets::{Connection, Verification};
use asgard_contract::{Error, Result};
use rcgen::CertifiedKey;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::host::TestHost;

/// Answers with what it gets, over TLS from the first byte.
pub(crate) async fn tls_server(certified: &CertifiedKey<rcgen::KeyPair>) -> u16 {
    let chain = vec![CertificateDer::from(certified.cert.der().to_vec())];
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut buffer = [0; 1024];
                loop {
                    let read = stream.read(&mut buffer).await?;
                    if read == 0 {
                        return Ok::<_, std::io::Error>(());
                    }
                    stream.write_all(&buffer[..read]).await?;
                }
            });
        }
    });
    port
}

/// An authority of its own name for a server of this name.
pub(crate) fn self_signed(name: &str) -> CertifiedKey<rcgen::KeyPair> {
    signed(name, rcgen::IsCa::NoCa)
}

fn signed(name: &str, is_authority: rcgen::IsCa) -> CertifiedKey<rcgen::KeyPair> {
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.is_ca = is_authority;
    parameters.distinguished_name.push(rcgen::DnType::CommonName, format!("Asgard's tests of {name}"));
    let signing_key = rcgen::KeyPair::generate().unwrap();
    CertifiedKey { cert: parameters.self_signed(&signing_key).unwrap(), signing_key }
}

async fn connect(host: &TestHost, name: &str, port: u16) -> Result<Connection> {
    host.lent().sockets.unwrap().connect(name, port, 2000).await
}

const LOOPBACK: &str = r#"silver.grants.sockets = ["localhost:*", "*:5432"]"#;

#[tokio::test]
async fn tls_is_verified_as_asked() {
    let (named, other) = (self_signed("localhost"), self_signed("db.internal"));
    let (named_port, other_port) = (tls_server(&named).await, tls_server(&other).await);
    let authority = || rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let (own, foreign) = (signed("localhost", authority()), signed("db.internal", authority()));
    let (own_port, foreign_port) = (tls_server(&own).await, tls_server(&foreign).await);
    let expired = {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.is_ca = authority();
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let signing_key = rcgen::KeyPair::generate().unwrap();
        CertifiedKey { cert: parameters.self_signed(&signing_key).unwrap(), signing_key }
    };
    let expired_port = tls_server(&expired).await;
    let host = TestHost::new(LOOPBACK);
    let (named, other) = (named.cert.pem(), other.cert.pem());
    let (own, foreign, expired) = (own.cert.pem(), foreign.cert.pem(), expired.cert.pem());
    use Verification::{Authority, Full, None as Any};
    for (port, verification, authority, failure) in [
        (named_port, Any, None, None),
        (named_port, Full, Some(&named), None),
        (named_port, Full, None, Some("an authority that is not trusted")),
        (named_port, Authority, Some(&other), Some("an authority that is not trusted")),
        (other_port, Authority, Some(&other), None),
        (other_port, Full, Some(&other), Some("made for another name")),
        // As `openssl req -x509` makes it: the server's certificate is an authority's, too.
        (own_port, Full, Some(&own), None),
        (own_port, Authority, Some(&own), None),
        (own_port, Full, Some(&named), Some("CaUsedAsEndEntity")),
        (own_port, Full, None, Some("CaUsedAsEndEntity")),
        (foreign_port, Authority, Some(&foreign), None),
        (foreign_port, Full, Some(&foreign), Some("made for another name")),
        (expired_port, Authority, Some(&expired), Some("has expired")),
    ] {
        let mut connection = connect(&host, "localhost", port).await.unwrap();
        assert_eq!(connection.channel_binding(), None);
        match (connection.start_tls(verification, authority.map(String::as_str)).await, failure) {
            (Ok(()), None) => {
                assert_eq!(connection.channel_binding().map(|hash| hash.len()), Some(32));
                connection.write(b"hello").await.unwrap();
                assert_eq!(connection.read(100).await.unwrap(), b"hello");
            }
            (Err(error), Some(failure)) => {
                assert!(error.to_string().contains(failure), "{error}");
                assert!(connection.write(b"hello").await.is_err());
            }
            (found, expected) => panic!("{port} {verification:?}: {found:?}, expected {expected:?}"),
        }
    }
}

#[tokio::test]
async fn reasons_for_no_connection_are_told_apart() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let host = TestHost::new(LOOPBACK);
    for (name, port, expected) in [
        ("127.0.0.1", closed, "nothing listens on that port"),
        ("no-such-host.invalid", 5432, "is unknown"),
        ("10.0.0.1", 5432, "add `10.0.0.1:5432` to `silver.grants.sockets` of environment `test`"),
        ("db.internal", 1, "add `db.internal:1` to `silver.grants.sockets`"),
        ("169.254.169.254", 5432, "never lent"),
    ] {
        let error = connect(&host, name, port).await.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}:{port}: {error}");
        assert_eq!(matches!(error, Error::Forbidden { .. }), !error.is_retryable(), "{error:?}");
    }
}

#[tokio::test]
async fn a_call_that_hoards_connections_is_told_so_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok(accepted) = listener.accept().await {
            kept.push(accepted);
        }
    });
    let dialer = TestHost::new(LOOPBACK).lent().sockets.unwrap();
    let mut open = Vec::new();
    let error = loop {
        match dialer.connect("127.0.0.1", port, 2000).await {
            Ok(connection) => open.push(connection),
            Err(error) => break error,
        }
        assert!(open.len() <= 1000);
    };
    assert!(error.to_string().contains("close one first"), "{error}");
    open.pop();
    dialer.connect("127.0.0.1", port, 2000).await.unwrap();
    accepting.abort();
}
