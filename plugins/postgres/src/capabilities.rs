//! What the connector needs from outside: connections, proofs of passwords, the log. The host lends them to the component
//! (see [`crate::lent`]); tests have their own over the operating system.

use asgard_sdk::Result;
use asgard_sdk::context::Level;
use asgard_sdk::credentials::ScramProof;
use asgard_sdk::sockets::Verification;

/// Everything that is not computation.
pub trait Capabilities {
    /// Opens a connection.
    ///
    /// # Errors
    /// `forbidden`, or `unavailable` with the reason.
    fn connect(&self, host: &str, port: u16, timeout_ms: u32) -> Result<Box<dyn Transport>>;

    /// SCRAM-SHA-256's proof over an authentication message.
    ///
    /// # Errors
    /// `invalid-input` for a secret that is not there, or a number of iterations that no server should ask for.
    fn scram_sha_256(&self, secret: &str, salt: &[u8], iterations: u32, message: &[u8]) -> Result<ScramProof>;

    /// The answer to PostgreSQL's `md5` challenge.
    ///
    /// # Errors
    /// `invalid-input` for a secret that is not there.
    fn postgres_md5(&self, secret: &str, user: &str, salt: &[u8]) -> Result<String>;

    /// The password itself.
    ///
    /// # Errors
    /// `forbidden` unless the environment lends it.
    fn reveal(&self, secret: &str) -> Result<String>;

    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);
}

/// A connection.
pub trait Transport {
    /// Waits for data; at most `max` bytes, none at the end of the stream.
    ///
    /// # Errors
    /// `unavailable` when it breaks.
    fn read(&mut self, max: u32) -> Result<Vec<u8>>;

    /// Writes all of it.
    ///
    /// # Errors
    /// `unavailable` when it breaks.
    fn write(&mut self, data: &[u8]) -> Result<()>;

    /// Goes over to TLS.
    ///
    /// # Errors
    /// `unavailable` for a handshake that fails, `invalid-input` for an authority that cannot be read.
    fn start_tls(&mut self, verification: Verification, authority: Option<&str>) -> Result<()>;

    /// Reads and writes from here on wait at most so long; 0 = as long as a step may take.
    fn set_timeout(&mut self, timeout_ms: u32);

    /// `tls-server-end-point` of RFC 5929; none without TLS.
    fn channel_binding(&self) -> Option<Vec<u8>>;
}
