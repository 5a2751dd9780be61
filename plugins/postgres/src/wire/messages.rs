//! What a server says, message by message, out of one buffer.
//!
//! Rows are decoded where they lie in the buffer. It is replaced by what a read brought whenever all of it has been
//! consumed, so most bytes are never copied inside the sandbox; only a message that crosses two reads is joined.

use std::ops::Range;

use asgard_sdk::{Error, Result};

use super::server_error::ServerError;
use crate::capabilities::Transport;

/// The most that the host gives at once.
const READ: u32 = 256 << 10;

/// Before the session is open nothing is large. More means that the other side speaks another protocol.
const LARGEST_GREETING: usize = 64 << 10;

/// One message, without its length.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub tag: u8,
    pub body: &'a [u8],
}

/// The two directions of a connection.
pub struct MessageStream {
    transport: Box<dyn Transport>,
    address: String,
    buffer: Vec<u8>,
    /// Where the next message starts.
    start: usize,
    /// The session is open: rows may come, in messages of any size.
    open: bool,
}

impl MessageStream {
    /// Over a fresh connection to `address`, which is for messages.
    pub fn new(transport: Box<dyn Transport>, address: String) -> Self {
        Self { transport, address, buffer: Vec::new(), start: 0, open: false }
    }

    /// The connection, to talk about TLS before the first message.
    pub fn transport(&mut self) -> &mut dyn Transport {
        self.transport.as_mut()
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// From here on messages may have any size.
    pub fn session_is_open(&mut self) {
        self.open = true;
    }

    /// Sends a message of [`super::frontend`].
    ///
    /// # Errors
    /// `unavailable` when the connection breaks.
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        self.transport.write(message)
    }

    /// The next message that asks for attention. Notices, changed parameters and notifications do not.
    ///
    /// # Errors
    /// `unavailable` when the connection ends or breaks, or when the server ends the session; `internal` for bytes that
    /// are not PostgreSQL's.
    pub fn receive(&mut self) -> Result<Message<'_>> {
        let (tag, body) = self.locate()?;
        Ok(Message { tag, body: self.at(body) })
    }

    /// As [`MessageStream::receive`], but tells where the body lies, for callers that go on with the stream before they
    /// look at it. It lies there until the next message is asked for.
    ///
    /// # Errors
    /// Those of [`MessageStream::receive`].
    pub fn locate(&mut self) -> Result<(u8, Range<usize>)> {
        loop {
            self.fill(5)?;
            let header = &self.buffer[self.start..self.start + 5];
            let tag = header[0];
            let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
            let plausible = length >= 4 && (self.open || length <= LARGEST_GREETING);
            if !plausible || !tag.is_ascii_alphanumeric() {
                return Err(self.foreign());
            }
            self.reserve(length + 1);
            self.fill(length + 1)?;
            let body = self.start + 5..self.start + 1 + length;
            self.start = body.end;
            match tag {
                b'N' | b'S' | b'A' | b'v' => {}
                b'E' if self.open => {
                    let told = ServerError::parse(self.at(body.clone()));
                    if told.ends_session() {
                        return Err(told.into_error());
                    }
                    return Ok((tag, body));
                }
                _ => return Ok((tag, body)),
            }
        }
    }

    /// The body that [`MessageStream::locate`] told of.
    pub fn at(&self, body: Range<usize>) -> &[u8] {
        &self.buffer[body]
    }

    /// What was received out of turn.
    pub fn unexpected(&self, tag: u8) -> Error {
        Error::internal(format!("`{}` sent a message `{}` out of turn", self.address, tag.escape_ascii()))
    }

    /// The other side is no PostgreSQL server.
    pub fn foreign(&self) -> Error {
        if self.open {
            return Error::internal(format!("`{}` sent what is no message of PostgreSQL's protocol", self.address));
        }
        Error::invalid(
            "config.port",
            format!("what listens on `{}` does not speak PostgreSQL's protocol: check host and port", self.address),
        )
    }

    /// Frees the buffer of a large message that has been read.
    pub fn shrink(&mut self) {
        if self.start == self.buffer.len() {
            (self.buffer, self.start) = (Vec::new(), 0);
        }
    }

    /// Room for exactly one large message: growing step by step would take up to three times as much.
    fn reserve(&mut self, wanted: usize) {
        if wanted > self.buffer.capacity() && wanted > READ as usize {
            self.buffer.drain(..self.start);
            self.start = 0;
            // What comes with the end of the message is part of the last read.
            self.buffer.reserve_exact(wanted + READ as usize - self.buffer.len());
        }
    }

    /// Sees to it that `wanted` bytes lie in the buffer from `start` on.
    fn fill(&mut self, wanted: usize) -> Result<()> {
        while self.buffer.len() - self.start < wanted {
            let chunk = self.transport.read(READ)?;
            if chunk.is_empty() {
                return Err(Error::unavailable(format!("the server at `{}` closed the connection", self.address)));
            }
            if self.start == self.buffer.len() {
                (self.buffer, self.start) = (chunk, 0);
            } else {
                if self.start > 0 {
                    self.buffer.drain(..self.start);
                    self.start = 0;
                }
                self.buffer.extend_from_slice(&chunk);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use asgard_sdk::sockets::Verification;

    use super::*;

    /// Plays back what a server said, in pieces.
    struct Recorded(VecDeque<Vec<u8>>);

    impl Transport for Recorded {
        fn read(&mut self, _max: u32) -> Result<Vec<u8>> {
            Ok(self.0.pop_front().unwrap_or_default())
        }

        fn write(&mut self, _data: &[u8]) -> Result<()> {
            Ok(())
        }

        fn start_tls(&mut self, _verification: Verification, _authority: Option<&str>) -> Result<()> {
            Ok(())
        }

        fn set_timeout(&mut self, _timeout_ms: u32) {}

        fn channel_binding(&self) -> Option<Vec<u8>> {
            None
        }
    }

    fn stream(bytes: &[u8], piece: usize) -> MessageStream {
        let pieces = bytes.chunks(piece).map(<[u8]>::to_vec).collect();
        MessageStream::new(Box::new(Recorded(pieces)), "db:5432".to_owned())
    }

    #[test]
    fn messages_are_the_same_however_the_network_cuts_them() {
        let said = b"S\0\0\0\x0bTZ\0UTC\0D\0\0\0\x0b\0\x01\0\0\0\x017C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";
        for piece in 1..=said.len() {
            let mut stream = stream(said, piece);
            let mut seen = Vec::new();
            for _ in 0..3 {
                let message = stream.receive().unwrap();
                seen.push((message.tag, message.body.to_vec()));
            }
            assert_eq!(
                seen,
                [(b'D', b"\0\x01\0\0\0\x017".to_vec()), (b'C', b"SELECT 1\0".to_vec()), (b'Z', b"I".to_vec())]
            );
            assert!(matches!(stream.receive(), Err(Error::Unavailable(_))));
        }
    }

    #[test]
    fn a_web_server_is_told_apart_from_a_database() {
        let error = stream(b"HTTP/1.1 400 Bad Request\r\n\r\n", 100).receive().unwrap_err();
        let Error::InvalidInput(input) = error else { panic!("{error:?}") };
        assert_eq!(input.field.as_deref(), Some("config.port"));
    }
}
