//! HTTPS: connections are taken over once their handshake is done, and the certificate changes with its files.
//!
//! Handshakes go on beside each other, so a client that begins one and says no more holds up nobody; it is sent away after
//! [`HANDSHAKE_WITHIN`]. New files that cannot be used leave the old certificate in its place: half of a renewal must not take
//! the host off the network.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use asgard_contract::{Error, Result};
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Several round trips around the world.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// More clients than come at once; the rest wait in the system's queue.
const MOST_HANDSHAKES: usize = 512;

/// Renewed certificates are put in place days before the old ones end.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The files of a certificate, as PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The host's certificate and those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What a host shows its clients.
pub(crate) struct Tls {
    files: TlsFiles,
    shown: Arc<Shown>,
    config: Arc<ServerConfig>,
}

struct Shown(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// # Errors
    /// In words what is wrong with which file.
    pub(crate) fn open(files: TlsFiles) -> Result<Self> {
        let shown = Arc::new(Shown(RwLock::new(Arc::new(read(&files)?))));
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal(format!("TLS cannot be set up: {error}")))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(&shown) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { files, shown, config: Arc::new(config) })
    }

    pub(crate) fn listener(&self, tcp: TcpListener) -> TlsListener {
        TlsListener { tcp, acceptor: TlsAcceptor::from(Arc::clone(&self.config)), handshakes: JoinSet::new() }
    }

    /// Reads the files again when they have changed. Never ends by itself.
    pub(crate) async fn follow_files(&self) {
        let mut known = self.changed_at().await;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.changed_at().await;
            if now == known {
                continue;
            }
            let files = self.files.clone();
            match tokio::task::spawn_blocking(move || read(&files)).await {
                Ok(Ok(read)) => {
                    *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
                    tracing::info!(file = %self.files.certificate.display(), "the certificate is a new one");
                    known = now;
                }
                // Looked at again the next time: one file may have been written and the other not yet.
                Ok(Err(error)) => tracing::warn!(%error, "the new certificate cannot be used, and the old one stays"),
                Err(error) => tracing::warn!(%error, "the certificate could not be read"),
            }
        }
    }

    async fn changed_at(&self) -> [Option<(SystemTime, u64)>; 2] {
        let changed = async |path: &Path| {
            let metadata = tokio::fs::metadata(path).await.ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        [changed(&self.files.certificate).await, changed(&self.files.key).await]
    }
}

fn read(files: &TlsFiles) -> Result<CertifiedKey> {
    let wrong = |field: &str, path: &Path, why: String| Error::invalid(field, format!("{}: {why}", path.display()));
    let of_certificate = |why: String| wrong("tls-cert", &files.certificate, why);
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| of_certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(of_certificate("there is no certificate in it: expected `-----BEGIN CERTIFICATE-----`".to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong("tls-key", &files.key, error.to_string()))?;
    // Which of the two belongs to the other is not to be known.
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| wrong("tls-key", &files.key, format!("it does not fit the certificate: {error}")))
}

/// A listener that hands out connections with their handshake done.
pub(crate) struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                (stream, address) = Listener::accept(&mut self.tcp), if self.handshakes.len() < MOST_HANDSHAKES => {
                    let handshake = self.acceptor.accept(stream);
                    self.handshakes.spawn(async move {
                        let done = tokio::time::timeout(HANDSHAKE_WITHIN, handshake).await;
                        Some((done.ok()?.ok()?, address))
                    });
                }
                Some(done) = self.handshakes.join_next() => {
                    // Nothing: the client went away, spoke no TLS, or trusts another authority.
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
