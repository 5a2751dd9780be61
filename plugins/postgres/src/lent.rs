//! The capabilities as the host lends them.

use asgard_sdk::Result;
use asgard_sdk::context::{self, Level};
use asgard_sdk::credentials::{self, ScramProof};
use asgard_sdk::sockets::{self, Connection, Verification};

use crate::capabilities::{Capabilities, Transport};

/// What the host lends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lent;

impl Capabilities for Lent {
    fn connect(&self, host: &str, port: u16, timeout_ms: u32) -> Result<Box<dyn Transport>> {
        Ok(Box::new(sockets::connect(host, port, timeout_ms)?))
    }

    fn scram_sha_256(&self, secret: &str, salt: &[u8], iterations: u32, message: &[u8]) -> Result<ScramProof> {
        credentials::scram_sha_256(secret, salt, iterations, message)
    }

    fn postgres_md5(&self, secret: &str, user: &str, salt: &[u8]) -> Result<String> {
        credentials::postgres_md5(secret, user, salt)
    }

    fn reveal(&self, secret: &str) -> Result<String> {
        credentials::reveal(secret)
    }

    fn log(&self, level: Level, message: &str) {
        context::log(level, message);
    }
}

impl Transport for Connection {
    fn read(&mut self, max: u32) -> Result<Vec<u8>> {
        Connection::read(self, max)
    }

    fn write(&mut self, data: &[u8]) -> Result<()> {
        Connection::write(self, data)
    }

    fn start_tls(&mut self, verification: Verification, authority: Option<&str>) -> Result<()> {
        Connection::start_tls(self, verification, authority)
    }

    fn set_timeout(&mut self, timeout_ms: u32) {
        Connection::set_timeout(self, timeout_ms);
    }

    fn channel_binding(&self) -> Option<Vec<u8>> {
        Connection::channel_binding(self)
    }
}
