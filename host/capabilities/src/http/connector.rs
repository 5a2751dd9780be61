//! From a URL to a connection: to an address that the policy has seen, and to nothing else.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::addresses::{Addresses, Host};
use crate::resolve::{Resolver, Unresolved, addresses_of};
use crate::sockets::tls;

/// Connections of one grant.
pub(super) type Pool = Client<Connector, Full<Bytes>>;

/// Servers close idle connections after 5 s (uvicorn) to 75 s (nginx); one that closes first, while a request is on its
/// way, costs that request.
const IDLE: Duration = Duration::from_secs(4);

/// Of one host.
const MOST_IDLE: usize = 16;

/// An address that swallows packets leaves time for the others.
const CONNECT: Duration = Duration::from_secs(10);

/// Why there is no connection. Goes through hyper as a boxed error and is found again in its chain.
#[derive(Debug)]
pub(super) enum Unconnected {
    Unresolved(Unresolved),
    Io(io::Error),
    Tls(io::Error),
}

impl std::fmt::Display for Unconnected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Unconnected {}

#[derive(Clone)]
pub(super) struct Connector {
    addresses: Arc<Addresses>,
    names: Arc<dyn Resolver>,
    /// Made when it is first needed: reading the system's authorities takes longer than starting the host may.
    tls: Arc<OnceLock<Arc<rustls::ClientConfig>>>,
}

impl Connector {
    pub(super) fn new(addresses: Arc<Addresses>, names: Arc<dyn Resolver>) -> Self {
        Self { addresses, names, tls: Arc::default() }
    }

    /// A pool that connects through this.
    pub(super) fn pool(self) -> Pool {
        Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .build(self)
    }

    async fn connect(self, uri: Uri) -> Result<Stream, Unconnected> {
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let unknown = || Unconnected::Io(io::ErrorKind::InvalidInput.into());
        let host: Host = uri.host().and_then(|host| host.parse().ok()).ok_or_else(unknown)?;
        let addresses =
            addresses_of(&host, port, &self.addresses, &*self.names).await.map_err(Unconnected::Unresolved)?;
        let mut last = io::Error::from(io::ErrorKind::TimedOut);
        for address in addresses {
            match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(Unconnected::Io)?;
                    return if secure {
                        self.secure(&host, stream).await
                    } else {
                        Ok(Stream::Plain(TokioIo::new(stream)))
                    };
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(Unconnected::Io(last))
    }

    async fn secure(&self, host: &Host, stream: TcpStream) -> Result<Stream, Unconnected> {
        let name = tls::server_name(host).map_err(|error| Unconnected::Tls(io::Error::other(error)))?;
        let config = match self.tls.get() {
            Some(config) => Arc::clone(config),
            None => {
                let config = tls::system_config().map_err(|error| Unconnected::Tls(io::Error::other(error)))?;
                Arc::clone(self.tls.get_or_init(|| Arc::new(config)))
            }
        };
        let handshake = TlsConnector::from(config).connect(name, stream);
        let stream = tokio::time::timeout(CONNECT, handshake).await;
        let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(Unconnected::Tls)?;
        Ok(Stream::Secure(Box::new(TokioIo::new(stream))))
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Stream;
    type Error = Unconnected;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Unconnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection, with or without TLS.
pub(super) enum Stream {
    Plain(TokioIo<TcpStream>),
    Secure(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Secure(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Secure(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::resolve::SystemResolver;

    #[tokio::test]
    async fn https_verifies_the_name_of_the_url_against_the_authorities() {
        let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = CertificateDer::from(certified.cert.der().to_vec());
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        });

        let connector = Connector::new(Arc::new(Addresses::parse(&["localhost:*"]).unwrap()), Arc::new(SystemResolver));
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let trusting = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        connector.tls.set(Arc::new(trusting)).unwrap();
        let pool = connector.pool();
        let get = async |host: &str| {
            let request = http::Request::get(format!("https://{host}:{port}/")).body(Full::default()).unwrap();
            pool.request(request).await
        };
        assert_eq!(get("localhost").await.unwrap().status(), 200);
        let wrong = get("127.0.0.1").await.unwrap_err();
        assert!(format!("{wrong:?}").contains("NotValidForName"), "{wrong:?}");
        serving.abort();
    }
}
