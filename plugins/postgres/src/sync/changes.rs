//! Following the changes of captured streams.
//!
//! Changes are collected by stream and handed over in batches. Checkpoints lie between transactions: each stream that changed
//! has its own, with the place in the log up to which the table has its changes. When the host asks for the next event after
//! those, they are committed, and only then the server is told that it need not keep the log before.
//!
//! When a sync is opened again the server sends more than is missing, since streams have come to different places. Of each
//! transaction, a stream takes its changes only if it committed at or after the stream's place.
//!
//! A change that its stream cannot take fails that stream, and the others go on. Nothing is acknowledged from there on, in this sync
//! and in those that follow until the stream is mended or taken out: it would lose what is acknowledged for the others. The server
//! keeps its log for so long, and the others are sent again what they have.

use std::collections::{HashMap, VecDeque};

use asgard_sdk::connector::{Checkpoint, Event, StreamSelection};
use asgard_sdk::context::Level;
use asgard_sdk::{Error, Result};

use super::captured::Captured;
use super::checkpoint::{LogPosition, State};
use super::start::Capture;
use super::{Run, full_name, lost, number};
use crate::capabilities::Capabilities;
use crate::replication::Lsn;
use crate::replication::feed::{Feed, Told};
use crate::replication::messages::{LogMessage, Relation, parse};
use crate::replication::objects;
use crate::session::Session;
use crate::types::{Oid, TypeEntries};
use crate::wire::Failure;

/// A checkpoint comes after the transaction that reaches so many changes. Each one rewrites files of the tables, so few are
/// better; the host holds the values that updates between two left alone in memory.
const CHANGES_PER_CHECKPOINT: u64 = 200_000;

/// So long the server is left alone when it had nothing to send and is not there yet.
const PAUSE_MS: u32 = 20;

/// How often a slot that is in use is asked for.
const START_TRIES: u32 = 5;

/// What a call brought.
pub(super) enum Step {
    Events(VecDeque<Event>),
    Waiting(u32),
    /// All is committed and acknowledged.
    Done,
}

/// Reads the slot up to the target.
pub(super) struct Follower {
    feed: Feed,
    changes: Changes,
    target: Lsn,
    /// What is to be done when all events have been taken.
    after: After,
    /// The server has been asked where it is.
    asked: bool,
    /// It sent changes since.
    moved: bool,
}

#[derive(Debug, Clone, Copy)]
enum After {
    Nothing,
    Acknowledge(Lsn),
    Finish(Lsn),
}

/// What has been read and not been handed over.
struct Changes {
    /// For types that turn up.
    session: Session,
    system: u64,
    tables: HashMap<Oid, Captured>,
    relations: HashMap<Oid, Relation>,
    types: TypeEntries,
    /// Where the transaction commits that is being read.
    transaction: Option<Lsn>,
    since_checkpoint: u64,
    events: VecDeque<Event>,
    /// A stream needs what has been sent once more.
    held: bool,
}

impl Follower {
    pub(super) fn start(run: &mut Run, mut session: Session, capture: &Capture) -> Result<Self> {
        let mut tables = HashMap::new();
        let mut from: Option<Lsn> = None;
        for index in (0..run.streams.len()).filter(|index| run.is_captured(*index) && !run.failed[*index]) {
            let Some(position) = run.position(index) else { continue };
            from = Some(from.map_or(position.lsn, |from| from.min(position.lsn)));
            let captured = Captured::new(index, &run.streams[index], position.lsn, run.sources[index].clone());
            tables.insert(position.table, captured);
        }
        let mut tries = 0;
        let feed = loop {
            let (slot, publication) = (&capture.names.slot, &capture.names.publication);
            let from = from.unwrap_or_default();
            match Feed::start(run.capabilities.as_ref(), &run.configuration, slot, publication, from) {
                Ok(feed) => break feed,
                Err(Failure::Statement(told)) if told.code == "55006" && tries < START_TRIES => {
                    tries += 1;
                    objects::release(&mut session, slot)?;
                }
                Err(failure) => return Err(failure.into()),
            }
        };
        let changes = Changes {
            session,
            system: capture.system,
            tables,
            relations: HashMap::new(),
            types: TypeEntries::new(),
            transaction: None,
            since_checkpoint: 0,
            events: VecDeque::new(),
            held: run.held,
        };
        Ok(Self { feed, changes, target: capture.target, after: After::Nothing, asked: false, moved: false })
    }

    /// Reads until there is something to hand over. `streams` get the columns that turn up.
    pub(super) fn step(&mut self, streams: &mut [StreamSelection], capabilities: &dyn Capabilities) -> Result<Step> {
        match std::mem::replace(&mut self.after, After::Nothing) {
            After::Nothing => {}
            After::Acknowledge(position) => self.acknowledge(position)?,
            After::Finish(position) => {
                self.acknowledge(position)?;
                self.changes.report(streams, capabilities);
                return Ok(Step::Done);
            }
        }
        loop {
            if !self.asked {
                self.feed.ask_position()?;
                (self.asked, self.moved) = (true, false);
            }
            match self.feed.told()? {
                Told::Position(position) => {
                    self.asked = false;
                    if self.changes.transaction.is_none() && position >= self.target {
                        return self.finish(position);
                    }
                    if !self.moved {
                        return Ok(Step::Waiting(PAUSE_MS));
                    }
                }
                Told::Change(message) => {
                    self.moved = true;
                    let committed = self.changes.take(message, streams)?;
                    if let Some(end) = committed {
                        if end >= self.target {
                            return self.finish(end);
                        }
                        if self.changes.since_checkpoint >= CHANGES_PER_CHECKPOINT {
                            self.changes.checkpoint(end)?;
                            self.after = After::Acknowledge(end);
                        }
                    }
                    if !self.changes.events.is_empty() {
                        return Ok(Step::Events(std::mem::take(&mut self.changes.events)));
                    }
                }
            }
        }
    }

    pub(super) fn close(self) {
        self.feed.close();
        self.changes.session.close();
    }

    fn acknowledge(&mut self, position: Lsn) -> Result<()> {
        if self.changes.held {
            return Ok(());
        }
        self.feed.acknowledge(position)
    }

    fn finish(&mut self, position: Lsn) -> Result<Step> {
        self.changes.complete(position)?;
        self.after = After::Finish(position);
        Ok(Step::Events(std::mem::take(&mut self.changes.events)))
    }
}

impl Changes {
    /// Takes a message; answers with the place after a transaction that ended with it.
    fn take(&mut self, message: &[u8], streams: &mut [StreamSelection]) -> Result<Option<Lsn>> {
        let message =
            parse(message).ok_or_else(|| Error::internal("the server's log has a message of another form"))?;
        match message {
            LogMessage::Begin { commit } => self.transaction = Some(commit),
            LogMessage::Commit { end } => {
                self.transaction = None;
                return Ok(Some(end));
            }
            LogMessage::Relation(relation) => {
                if let Some(table) = self.tables.get_mut(&relation.table) {
                    table.relation_changed();
                }
                self.relations.insert(relation.table, relation);
            }
            LogMessage::Insert { table, new } => self.apply(table, streams, |table| table.insert(&new))?,
            LogMessage::Update { table, old, new } => {
                self.apply(table, streams, |table| table.update(old.as_deref(), &new))?;
            }
            LogMessage::Delete { table, old } => self.apply(table, streams, |table| table.delete(&old))?,
            LogMessage::Truncate { tables } => {
                for table in tables {
                    self.apply(table, streams, |table| {
                        table.truncate();
                        Ok(())
                    })?;
                }
            }
            LogMessage::Other => {}
        }
        Ok(None)
    }

    /// The stream that a change is for; none for one that has it, and for tables that are none of the sync's.
    fn affected(&mut self, table: Oid, streams: &mut [StreamSelection]) -> Result<Option<&mut Captured>> {
        let commit =
            self.transaction.ok_or_else(|| Error::internal("the server's log has a change of no transaction"))?;
        let Some(captured) = self.tables.get_mut(&table).filter(|captured| commit >= captured.from) else {
            return Ok(None);
        };
        if !captured.is_adapted() {
            let relation = self.relations.get(&table);
            let relation =
                relation.ok_or_else(|| Error::internal("the server's log has a change of an unknown table"))?;
            captured.adapt(relation, &mut self.session, &mut self.types, &mut streams[captured.index])?;
        }
        Ok(Some(captured))
    }

    /// Makes a change of a stream that has not got it yet, and moves what is to be handed over to where it is taken from.
    fn apply(
        &mut self,
        table: Oid,
        streams: &mut [StreamSelection],
        change: impl FnOnce(&mut Captured) -> Result<()>,
    ) -> Result<()> {
        let made = match self.affected(table, streams) {
            Ok(None) => return Ok(()),
            Ok(Some(captured)) => change(captured).map(|()| captured.take_events()),
            Err(error) => Err(error),
        };
        match made {
            Ok(mut events) => self.events.append(&mut events),
            // The server is away: nothing is wrong with the stream.
            Err(error @ Error::Unavailable(_)) => return Err(error),
            Err(error) => self.leave_out(table, error),
        }
        self.since_checkpoint += 1;
        Ok(())
    }

    /// Fails a stream. What its table has got stays, as of its last checkpoint.
    fn leave_out(&mut self, table: Oid, error: Error) {
        if let Some(captured) = self.tables.remove(&table) {
            self.held = true;
            self.events.push_back(Event::StreamFailed((number(captured.index), error)));
        }
    }

    /// Hands over what the chosen streams have collected.
    fn flush(&mut self, chosen: impl Fn(&Captured) -> bool) {
        let tables: Vec<Oid> = self.tables.iter().filter(|(_, table)| chosen(table)).map(|(oid, _)| *oid).collect();
        for oid in tables {
            match self.tables.get_mut(&oid).map(Captured::flush) {
                Some(Ok(mut events)) => self.events.append(&mut events),
                Some(Err(error)) => self.leave_out(oid, error),
                None => {}
            }
        }
    }

    /// Streams that changed are checkpointed at the end of a transaction.
    fn checkpoint(&mut self, end: Lsn) -> Result<()> {
        self.flush(|table| table.dirty);
        for (oid, table) in self.tables.iter_mut().filter(|(_, table)| table.dirty) {
            table.dirty = false;
            self.events.push_back(event(table, *oid, end, self.system, false)?);
        }
        self.since_checkpoint = 0;
        Ok(())
    }

    /// All streams are checkpointed: what did not change has come as far.
    fn complete(&mut self, position: Lsn) -> Result<()> {
        self.flush(|_| true);
        for (oid, table) in &self.tables {
            let position = position.max(table.from);
            self.events.push_back(event(table, *oid, position, self.system, true)?);
        }
        Ok(())
    }

    fn report(&self, streams: &[StreamSelection], capabilities: &dyn Capabilities) {
        for table in self.tables.values() {
            let name = full_name(&streams[table.index]);
            for (column, count) in table.lost() {
                capabilities.log(Level::Warn, &lost(&name, column, count));
            }
            capabilities.log(Level::Info, &format!("{name}: {} changes", table.changes));
        }
    }
}

fn event(stream: &Captured, table: Oid, lsn: Lsn, system: u64, complete: bool) -> Result<Event> {
    let state = State::at(LogPosition { lsn, system, table }, stream.source.as_ref()).write()?;
    Ok(Event::Checkpoint(Checkpoint { stream: Some(number(stream.index)), state, complete }))
}
