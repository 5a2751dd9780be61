//! TCP connections; TLS is made here.

use asgard_contract::{Error, Result};

/// How the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    None,
    Authority,
    Full,
}

/// What is lent: connects to granted addresses.
#[derive(Clone)]
pub struct Dialer {}

impl Dialer {
    pub async fn connect(&self, _host: &str, _port: u16, _timeout_ms: u32) -> Result<Connection> {
        Err(Error::internal("unfinished"))
    }
}

/// An open connection.
pub struct Connection {}

impl Connection {
    /// At most `max` bytes; empty = end of stream.
    pub async fn read(&mut self, _max: u32) -> Result<Vec<u8>> {
        Err(Error::internal("unfinished"))
    }
    pub async fn write(&mut self, _data: &[u8]) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
    pub async fn start_tls(&mut self, _verification: Verification, _authority: Option<&str>) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
    /// `tls-server-end-point` (RFC 5929).
    pub fn channel_binding(&self) -> Option<Vec<u8>> {
        None
    }
}
