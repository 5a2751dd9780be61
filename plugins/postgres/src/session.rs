//! A session with a server: opened under the configuration's terms, then statements and COPY.

mod authentication;
mod opening;

use std::ops::Range;

use asgard_sdk::Error;

use crate::capabilities::Capabilities;
use crate::configuration::Configuration;
use crate::wire::{Failure, MessageStream, ServerError, frontend};

use opening::Purpose;

/// How values are written where they travel as text, in queries and in the log alike, whatever the server's defaults are.
macro_rules! value_settings {
    ($set:literal) => {
        concat!(
            $set,
            " DateStyle TO 'ISO, MDY';",
            $set,
            " IntervalStyle TO 'iso_8601';",
            $set,
            " TimeZone TO 'UTC';",
            $set,
            " extra_float_digits TO 3;",
            $set,
            " bytea_output TO 'hex';",
        )
    };
}
pub(crate) use value_settings;

/// A database of encoding SQL_ASCII holds any bytes. Asked for UTF-8 the server refuses a table for one value that is none; asked
/// for nothing it hands them over, and what is no UTF-8 is seen to here.
const UNCHECKED_TEXTS: &str = "SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) \
    WHERE pg_catalog.current_setting('server_encoding') OPERATOR(pg_catalog.=) 'SQL_ASCII'";

/// A row of a query: texts, as the server writes values; none for null.
pub type TextRow = Vec<Option<String>>;

/// An open session.
pub struct Session {
    stream: MessageStream,
}

impl Session {
    /// Connects, goes over to TLS as the configuration says, and proves who we are.
    ///
    /// # Errors
    /// `unavailable`, `forbidden` (of the environment), `unauthenticated`, `invalid-input` with the field.
    pub fn open(capabilities: &dyn Capabilities, configuration: &Configuration) -> Result<Self, Error> {
        Self::open_for(Purpose::Queries, capabilities, configuration)
    }

    /// As [`Session::open`], for commands of replication beside statements.
    ///
    /// # Errors
    /// Those of [`Session::open`]; `forbidden` for a user who may not replicate.
    pub fn open_for_replication(capabilities: &dyn Capabilities, configuration: &Configuration) -> Result<Self, Error> {
        Self::open_for(Purpose::Replication, capabilities, configuration)
    }

    fn open_for(
        purpose: Purpose,
        capabilities: &dyn Capabilities,
        configuration: &Configuration,
    ) -> Result<Self, Error> {
        let mut session = Self { stream: opening::open(capabilities, configuration, purpose)? };
        session.execute(UNCHECKED_TEXTS)?;
        Ok(session)
    }

    /// Runs statements that give no rows.
    ///
    /// # Errors
    /// `Statement` for the first one that fails.
    pub fn execute(&mut self, sql: &str) -> Result<(), Failure> {
        self.query(sql).map(drop)
    }

    /// Runs a query whose result is small.
    ///
    /// # Errors
    /// `Statement` where the server refuses it.
    pub fn query(&mut self, sql: &str) -> Result<Vec<TextRow>, Failure> {
        self.stream.send(&frontend::query(sql))?;
        let mut rows = Vec::new();
        let mut refused = None;
        loop {
            let message = self.stream.receive()?;
            match message.tag {
                b'D' => match text_row(message.body) {
                    Some(row) => rows.push(row),
                    None => return Err(self.stream.foreign().into()),
                },
                b'E' => refused = Some(ServerError::parse(message.body)),
                b'T' | b'C' | b'I' => {}
                b'Z' => return refused.map_or(Ok(rows), |told| Err(Failure::Statement(Box::new(told)))),
                tag => return Err(self.stream.unexpected(tag).into()),
            }
        }
    }

    /// Starts `COPY … TO STDOUT`; [`Session::copied`] gives what it brings.
    ///
    /// # Errors
    /// `Statement` where the server refuses it.
    pub fn copy_out(&mut self, sql: &str) -> Result<(), Failure> {
        self.start_copy(sql, b'H')
    }

    /// Starts a replication command that sends and receives; [`Session::copied_at`] tells what it brings.
    ///
    /// # Errors
    /// `Statement` where the server refuses it.
    pub fn copy_both(&mut self, sql: &str) -> Result<(), Failure> {
        self.start_copy(sql, b'W')
    }

    fn start_copy(&mut self, sql: &str, expected: u8) -> Result<(), Failure> {
        self.stream.send(&frontend::query(sql))?;
        let message = self.stream.receive()?;
        match message.tag {
            tag if tag == expected => Ok(()),
            b'E' => {
                let told = ServerError::parse(message.body);
                Err(self.refused(told))
            }
            tag => Err(self.stream.unexpected(tag).into()),
        }
    }

    /// The next piece of a COPY; none when all of it is there.
    ///
    /// # Errors
    /// `Statement` when it fails on the way; the session goes on.
    pub fn copied(&mut self) -> Result<Option<&[u8]>, Failure> {
        Ok(self.copied_at()?.map(|body| self.stream.at(body)))
    }

    /// As [`Session::copied`], but tells where the piece lies, for callers that answer before they look at it.
    ///
    /// # Errors
    /// Those of [`Session::copied`].
    pub fn copied_at(&mut self) -> Result<Option<Range<usize>>, Failure> {
        let (tag, body) = self.stream.locate()?;
        match tag {
            b'd' => Ok(Some(body)),
            b'c' => self.until_ready().map(|()| None),
            b'E' => {
                let told = ServerError::parse(self.stream.at(body));
                Err(self.refused(told))
            }
            tag => Err(self.stream.unexpected(tag).into()),
        }
    }

    /// The piece that [`Session::copied_at`] told of.
    pub fn data(&self, body: Range<usize>) -> &[u8] {
        self.stream.at(body)
    }

    /// Frees what the last message took: of use after a large one.
    pub fn forget_message(&mut self) {
        self.stream.shrink();
    }

    /// Sends a piece while a replication command is under way.
    ///
    /// # Errors
    /// `unavailable` when the connection breaks.
    pub fn copy_in(&mut self, data: &[u8]) -> Result<(), Error> {
        self.stream.send(&frontend::copy_data(data))
    }

    /// Nothing more is sent in the replication command.
    ///
    /// # Errors
    /// `unavailable` when the connection breaks.
    pub fn end_copy_in(&mut self) -> Result<(), Error> {
        self.stream.send(&frontend::copy_done())
    }

    /// Reads what is left of a COPY, so that the session can be used again.
    ///
    /// # Errors
    /// Those of [`Session::copied`].
    pub fn skip_copy(&mut self) -> Result<(), Failure> {
        while self.copied()?.is_some() {}
        Ok(())
    }

    /// Says good-bye. A connection that is broken already needs none.
    pub fn close(mut self) {
        let _ = self.stream.send(&frontend::terminate());
    }

    /// The server refused a statement; it says so, then that it is ready again.
    fn refused(&mut self, told: ServerError) -> Failure {
        match self.until_ready() {
            Ok(()) => Failure::Statement(Box::new(told)),
            Err(failure) => failure,
        }
    }

    fn until_ready(&mut self) -> Result<(), Failure> {
        loop {
            let message = self.stream.receive()?;
            match message.tag {
                b'Z' => return Ok(()),
                b'C' => {}
                b'E' => {
                    let told = ServerError::parse(message.body);
                    return Err(self.refused(told));
                }
                tag => return Err(self.stream.unexpected(tag).into()),
            }
        }
    }
}

fn text_row(body: &[u8]) -> Option<TextRow> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut row = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        rest = after;
        if length < 0 {
            row.push(None);
            continue;
        }
        let (value, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        row.push(Some(String::from_utf8_lossy(value).into_owned()));
        rest = after;
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_texts_keeps_nulls_and_empty_texts_apart() {
        let body = b"\0\x03\0\0\0\x027a\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(text_row(body), Some(vec![Some("7a".to_owned()), None, Some(String::new())]));
        assert_eq!(text_row(&body[..body.len() - 2]), None);
    }
}
