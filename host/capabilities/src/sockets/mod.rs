//! TCP connections; TLS is made here.
//!
//! A connection goes to an address that the policy has seen (see [`crate::addresses`]), never to a name. The number of
//! connections of one call is bounded, and a call over the bound gets an error at once instead of waiting: a guest that
//! holds all of them and asks for one more would wait for itself.

mod certificate;
pub(crate) mod tls;

use std::sync::Arc;
use std::time::Duration;

use asgard_contract::{Error, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::addresses::{Addresses, Host};
use crate::holder::Holder;
use crate::resolve::{Resolver, connect_error, resolve};

/// A connector reads streams in parallel with a few; more is a leak in the guest.
const CONNECTIONS_PER_CALL: usize = 32;

/// One read at most. From 256 KiB on, a read costs less than copying what it brought.
const LARGEST_READ: usize = 256 << 10;

/// How the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    None,
    Authority,
    Full,
}

/// What is lent: connects to granted addresses.
#[derive(Clone)]
pub struct Dialer {
    pub(crate) holder: Holder,
    pub(crate) addresses: Arc<Addresses>,
    names: Arc<dyn Resolver>,
    pub(crate) permits: Arc<Semaphore>,
    /// Of one read or write: the time of a step.
    pub(crate) idle_timeout: Duration,
}

impl Dialer {
    pub(crate) fn new(holder: Holder, addresses: Addresses, names: Arc<dyn Resolver>, idle_timeout: Duration) -> Self {
        Self {
            holder,
            addresses: Arc::new(addresses),
            names,
            permits: Arc::new(Semaphore::new(CONNECTIONS_PER_CALL)),
            idle_timeout,
        }
    }

    /// Checks the name, resolves it, checks each address, connects to the first that answers.
    ///
    /// # Errors
    /// `forbidden` with the grant that is missing; `unavailable` tells refused, unreachable, unknown host and time out
    /// apart.
    pub async fn connect(&self, host: &str, port: u16, timeout_ms: u32) -> Result<Connection> {
        let target = format!("{host}:{port}");
        self.holder.using("sockets", "connect", &target, self.connect_within(host, port, timeout_ms)).await
    }

    async fn connect_within(&self, host: &str, port: u16, timeout_ms: u32) -> Result<Connection> {
        let host: Host = host.parse()?;
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| {
            Error::unavailable(format!("a call may have {CONNECTIONS_PER_CALL} connections at once; close one first"))
        })?;
        let target = format!("{host}:{port}");
        let limit = Duration::from_millis(timeout_ms.max(1).into()).min(self.idle_timeout);
        let connecting = async {
            let addresses = resolve(&host, port, &self.addresses, &*self.names, &self.holder, "sockets").await?;
            let mut last = None;
            for (index, address) in addresses.iter().enumerate() {
                // An address that swallows packets must leave time for the others.
                let share = limit / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
                match tokio::time::timeout(share, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => return Ok(stream),
                    Ok(Err(error)) => last = Some(error),
                    Err(_) => last = Some(std::io::ErrorKind::TimedOut.into()),
                }
            }
            Err(connect_error(&target, &last.unwrap_or_else(|| std::io::ErrorKind::TimedOut.into())))
        };
        let stream = tokio::time::timeout(limit, connecting)
            .await
            .map_err(|_| connect_error(&target, &std::io::ErrorKind::TimedOut.into()))??;
        // Protocols of databases write small messages and wait for the answer.
        stream.set_nodelay(true).map_err(|error| connect_error(&target, &error))?;
        Ok(Connection {
            stream: Stream::Plain(stream),
            target,
            host,
            longest_timeout: self.idle_timeout,
            idle_timeout: self.idle_timeout,
            channel_binding: None,
            _permit: permit,
        })
    }
}

/// An open connection.
pub struct Connection {
    stream: Stream,
    target: String,
    host: Host,
    longest_timeout: Duration,
    idle_timeout: Duration,
    channel_binding: Option<Vec<u8>>,
    _permit: OwnedSemaphorePermit,
}

enum Stream {
    Plain(TcpStream),
    Secure(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    /// A handshake failed: what the server would send next cannot be understood.
    Broken,
}

impl Connection {
    /// At most `max` bytes; empty = end of stream.
    ///
    /// # Errors
    /// `unavailable` when the connection breaks or brings nothing in the time of a step.
    pub async fn read(&mut self, max: u32) -> Result<Vec<u8>> {
        let limit = self.idle_timeout;
        let result = match &mut self.stream {
            Stream::Plain(stream) => read(stream, max, limit).await,
            Stream::Secure(stream) => match read(stream, max, limit).await {
                // Many servers close without TLS's own farewell; protocols that care have their own end marks.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(Vec::new()),
                other => other,
            },
            Stream::Broken => return Err(self.is_broken()),
        };
        result.map_err(|error| self.broken("reading from", &error))
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// As `read`.
    pub async fn write(&mut self, data: &[u8]) -> Result<()> {
        let limit = self.idle_timeout;
        let result = match &mut self.stream {
            Stream::Plain(stream) => write(stream, data, limit).await,
            Stream::Secure(stream) => write(stream, data, limit).await,
            Stream::Broken => return Err(self.is_broken()),
        };
        result.map_err(|error| self.broken("writing to", &error))
    }

    /// Goes over to TLS on this connection; `authority` is a PEM bundle that replaces the system's.
    ///
    /// # Errors
    /// `invalid-input` for an `authority` that cannot be read; `unavailable` for a handshake that fails, with the reason.
    pub async fn start_tls(&mut self, verification: Verification, authority: Option<&str>) -> Result<()> {
        let config = tls::client_config(verification, authority)?;
        let name = tls::server_name(&self.host)?;
        let stream = match std::mem::replace(&mut self.stream, Stream::Broken) {
            Stream::Plain(stream) => stream,
            other => {
                self.stream = other;
                return Err(Error::invalid(
                    "verification",
                    format!("the connection to `{}` is not a plain one", self.target),
                ));
            }
        };
        let handshake = tokio_rustls::TlsConnector::from(config).connect(name, stream);
        let stream = tokio::time::timeout(self.idle_timeout, handshake)
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(|error| tls::handshake_error(&self.target, &error))?;
        self.channel_binding = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first())
            .and_then(|leaf| certificate::server_end_point(leaf.as_ref()));
        self.stream = Stream::Secure(Box::new(stream));
        Ok(())
    }

    /// Reads and writes from here on wait at most so long; 0 = as long as a step may take.
    pub fn set_timeout(&mut self, timeout_ms: u32) {
        self.idle_timeout = match timeout_ms {
            0 => self.longest_timeout,
            limit => self.longest_timeout.min(Duration::from_millis(limit.into())),
        };
    }

    /// `tls-server-end-point` (RFC 5929).
    pub fn channel_binding(&self) -> Option<Vec<u8>> {
        self.channel_binding.clone()
    }

    fn broken(&self, act: &str, error: &std::io::Error) -> Error {
        if error.kind() == std::io::ErrorKind::TimedOut {
            let seconds = self.idle_timeout.as_secs();
            return Error::unavailable(format!("{act} `{}`: nothing moved for {seconds} s", self.target));
        }
        Error::unavailable(format!("{act} `{}`: the connection broke: {error}", self.target))
    }

    fn is_broken(&self) -> Error {
        Error::unavailable(format!("the connection to `{}` is not usable: its TLS handshake failed", self.target))
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, max: u32, limit: Duration) -> std::io::Result<Vec<u8>> {
    let size = usize::try_from(max).unwrap_or(usize::MAX).clamp(1, LARGEST_READ);
    let mut data = Vec::with_capacity(size);
    let mut window = (&mut *stream).take(size as u64);
    tokio::time::timeout(limit, window.read_buf(&mut data)).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
    Ok(data)
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, data: &[u8], limit: Duration) -> std::io::Result<()> {
    let writing = async {
        stream.write_all(data).await?;
        stream.flush().await
    };
    tokio::time::timeout(limit, writing).await.map_err(|_| std::io::ErrorKind::TimedOut)?
}
