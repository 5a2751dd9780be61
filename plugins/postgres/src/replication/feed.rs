//! The replication connection.
//!
//! The server sends as it reads its log, and says where it is when it is asked. Nothing is acknowledged by itself: a position
//! goes to the server with [`Feed::acknowledge`] alone, after the host has committed all changes before it.

use asgard_sdk::{Error, Result};

use super::Lsn;
use super::objects::{LOCK_NOT_AVAILABLE, WAIT_SECONDS};
use crate::capabilities::Capabilities;
use crate::configuration::Configuration;
use crate::session::{Session, value_settings};
use crate::wire::{Failure, quote_identifier};

/// A server does not give a reader up that commits for some minutes.
const SETTINGS: &str = concat!(value_settings!("SET"), "SET statement_timeout TO 0; SET wal_sender_timeout TO '10min'");

/// From 2000-01-01, as the protocol counts time; nobody looks at it.
const NO_TIME: u64 = 0;

/// Start, end and time of what the server sends, before the message itself.
const XLOG_HEADER: usize = 24;

/// An open replication connection.
pub struct Feed {
    session: Session,
    acknowledged: Lsn,
}

/// What the server sent.
#[derive(Debug)]
pub enum Told<'a> {
    /// A message of pgoutput.
    Change(&'a [u8]),
    /// All that committed before this position has been sent.
    Position(Lsn),
}

/// A snapshot that another session can take over while this connection lasts.
pub struct Snapshot {
    _session: Session,
    pub name: String,
    /// Transactions that committed from here on are not in it, all others are.
    pub position: Lsn,
}

/// Takes a snapshot at a known position of the log. It takes a slot of its own that is gone with the connection, and waits for
/// transactions that write in the database: none when those do not end within [`WAIT_SECONDS`].
///
/// # Errors
/// Those of the connection and of the server.
pub fn snapshot(
    capabilities: &dyn Capabilities,
    configuration: &Configuration,
    slot: &str,
) -> Result<Option<Snapshot>> {
    let mut session = Session::open_for_replication(capabilities, configuration)?;
    session.execute(SETTINGS)?;
    session.execute(&format!("SET lock_timeout TO '{WAIT_SECONDS}s'"))?;
    let sql = format!("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT", quote_identifier(slot));
    let made = match session.query(&sql) {
        Err(Failure::Statement(told)) if told.code == LOCK_NOT_AVAILABLE => return Ok(None),
        made => made?,
    };
    let row = made.into_iter().next().unwrap_or_default();
    match row.as_slice() {
        [_, Some(position), Some(name), ..] => {
            let position = position.parse().map_err(Error::internal)?;
            Ok(Some(Snapshot { name: name.clone(), position, _session: session }))
        }
        _ => Err(Error::internal("the server made a slot and told no snapshot")),
    }
}

impl Feed {
    /// Starts reading a slot.
    ///
    /// # Errors
    /// `Statement` where the server refuses it.
    pub fn start(
        capabilities: &dyn Capabilities,
        configuration: &Configuration,
        slot: &str,
        publication: &str,
        from: Lsn,
    ) -> std::result::Result<Self, Failure> {
        let mut session = Session::open_for_replication(capabilities, configuration)?;
        session.execute(SETTINGS)?;
        // The list of publications is a list of identifiers within a text.
        let publications = quote_identifier(publication).replace('\'', "''");
        let sql = format!(
            "START_REPLICATION SLOT {} LOGICAL {from} (proto_version '1', publication_names '{publications}')",
            quote_identifier(slot)
        );
        session.copy_both(&sql)?;
        Ok(Self { session, acknowledged: Lsn(0) })
    }

    /// Waits for what the server sends next.
    ///
    /// # Errors
    /// `unavailable` when the connection breaks, and what the server says when it ends the replication.
    pub fn told(&mut self) -> Result<Told<'_>> {
        let Some(body) = self.session.copied_at()? else {
            return Err(Error::unavailable("the server ended the replication"));
        };
        if wants_answer(self.session.data(body.clone())) {
            self.session.copy_in(&status(self.acknowledged, false))?;
        }
        let data = self.session.data(body);
        match (data, position_of(data)) {
            ([b'w', message @ ..], _) if message.len() >= XLOG_HEADER => Ok(Told::Change(&message[XLOG_HEADER..])),
            (_, Some(position)) => Ok(Told::Position(position)),
            _ => Err(Error::internal("the server sent what is no message of its replication protocol")),
        }
    }

    /// Asks where the server is: the answer comes among its messages.
    ///
    /// # Errors
    /// `unavailable` when the connection breaks.
    pub fn ask_position(&mut self) -> Result<()> {
        self.session.copy_in(&status(self.acknowledged, true))
    }

    /// All changes before this position are kept for good: the server need not keep their log.
    ///
    /// # Errors
    /// `unavailable` when the connection breaks.
    pub fn acknowledge(&mut self, position: Lsn) -> Result<()> {
        self.acknowledged = self.acknowledged.max(position);
        self.session.copy_in(&status(self.acknowledged, false))
    }

    /// Ends the reading in good order, so that the server has seen the last acknowledgement.
    pub fn close(mut self) {
        // Whatever goes wrong, the slot is where it was and the next sync skips what it has.
        if self.session.end_copy_in().is_ok() {
            let _ = self.session.skip_copy();
        }
        self.session.close();
    }
}

/// A keepalive that asks for an answer.
fn wants_answer(data: &[u8]) -> bool {
    data.first() == Some(&b'k') && data.get(17) == Some(&1)
}

fn position_of(data: &[u8]) -> Option<Lsn> {
    let (tag, rest) = data.split_first()?;
    (*tag == b'k').then_some(())?;
    rest.first_chunk::<8>().map(|bytes| Lsn(u64::from_be_bytes(*bytes)))
}

/// Written, flushed and applied are one: what is not committed has not been taken.
fn status(position: Lsn, wants_answer: bool) -> Vec<u8> {
    let mut data = vec![b'r'];
    for _ in 0..3 {
        data.extend(position.0.to_be_bytes());
    }
    data.extend(NO_TIME.to_be_bytes());
    data.push(wants_answer.into());
    data
}
