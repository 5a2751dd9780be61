//! A sync: streams one after the other over one connection, all of one snapshot; then the changes of captured streams. Streams
//! that are read whole may be divided among several instances ([`parts`]), which read the same snapshot.
//!
//! Every stream is read in a transaction of isolation level REPEATABLE READ, so all of them show the database at one
//! moment. A savepoint before each stream lets one fail while the others go on, and rolling back to it after the stream
//! gives up the lock on the table: nobody's ALTER TABLE waits for the whole sync.
//!
//! PostgreSQL does not keep old rows through TRUNCATE and through those forms of ALTER TABLE that write the table anew: to a
//! snapshot taken before, the table looks empty. That would empty the lakehouse's table, too, so after each stream the
//! table's file is compared with the one of the snapshot. If it is another one the sync is repeated with a new snapshot.
//!
//! A stream's checkpoint comes after its last row. When the sync is opened again under the same task, streams that have one
//! of this task are done: they show an earlier moment than the rest, which is the price of going on after a crash.
//!
//! A captured stream is read whole once, in a snapshot whose place in the log is known; from there its changes are followed
//! ([`changes`]). The sync ends when it has all that was committed when it began.

mod captured;
mod changes;
mod checkpoint;
mod incremental;
mod parts;
mod plan;
mod source;
mod start;
mod stream;
mod unique;

use std::collections::VecDeque;

use asgard_sdk::connector::{Checkpoint, Event, Evolution, Ingestion, RowData, Rows, StreamSelection, SyncMode};
use asgard_sdk::context::Level;
use asgard_sdk::{Error, Progress, Result};

use crate::capabilities::Capabilities;
use crate::configuration::Configuration;
use crate::session::{Session, value_settings};
use crate::streams::{full_name, schema_of};
use crate::wire::Failure;
use changes::Follower;
use checkpoint::{LogPosition, State};
use source::Source;
use start::Capture;
use stream::{Piece, StreamReader};

/// No limit of the server's ends a long read. A lock that somebody keeps does: the sync is repeated later.
const SETTINGS: &str = concat!(
    value_settings!("SET LOCAL"),
    "SET LOCAL statement_timeout TO 0;
    SET LOCAL idle_in_transaction_session_timeout TO 0;
    SET LOCAL lock_timeout TO '60s';
    SAVEPOINT stream"
);

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The savepoint itself stays.
const ROLL_BACK: &str = "ROLLBACK TO SAVEPOINT stream";

/// The rest of a COPY that is of no use is read in portions, so that no call takes for ever.
const SKIPPED_PER_CALL: usize = 64 << 20;

/// Why a stream ended early.
#[derive(Debug)]
enum Trouble {
    /// The others go on.
    Stream(Error),
    /// The session is over, or of no use.
    Sync(Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            // What may work later is no fault of the stream: the sync is opened again.
            Failure::Statement(told) if told.is_passing() => Self::Sync(told.into_error()),
            Failure::Statement(told) => Self::Stream(told.into_error()),
            Failure::Session(error) => Self::Sync(error),
        }
    }
}

impl From<incremental::Unfound> for Trouble {
    fn from(unfound: incremental::Unfound) -> Self {
        match unfound {
            incremental::Unfound::Failure(failure) => failure.into(),
            incremental::Unfound::Refused(error) => Self::Stream(error),
        }
    }
}

/// A sync under way.
pub struct Run {
    capabilities: Box<dyn Capabilities>,
    configuration: Configuration,
    ingestion: String,
    task: String,
    streams: Vec<StreamSelection>,
    states: Vec<Option<State>>,
    /// Of captured streams: what their tables are now.
    sources: Vec<Option<Source>>,
    /// Streams that are read again whole, though the table has rows of theirs.
    emptied: Vec<bool>,
    /// How many parts the host would read beside this.
    parts: u32,
    /// Of a part: the snapshot that it reads.
    moment: Option<String>,
    /// Streams that are out: they failed, their table is gone, or a part has them.
    failed: Vec<bool>,
    /// One of them needs the log from where it is on.
    held: bool,
    next: usize,
    session: Option<Session>,
    /// Of captured streams: where their changes come from.
    capture: Option<Capture>,
    /// What is to be told before anything else is done.
    pending: VecDeque<Event>,
    phase: Phase,
}

enum Phase {
    Starting,
    Between,
    Reading(Box<StreamReader>),
    /// The stream has failed while rows were coming.
    Skipping,
    Following(Box<Follower>),
    Ended,
    /// It ended with an error, which must not be taken for an end.
    Broken,
}

impl Run {
    /// A sync for the task. Nothing is connected to before the first event is asked for, or [`Run::join`] is called.
    ///
    /// # Errors
    /// `invalid-input` for the source's configuration.
    pub fn new(capabilities: Box<dyn Capabilities>, ingestion: Ingestion, task: String) -> Result<Self> {
        let configuration = Configuration::of(&ingestion.source)?;
        let states =
            ingestion.streams.iter().map(|stream| stream.checkpoint.as_deref().and_then(State::read)).collect();
        let streams = ingestion.streams;
        Ok(Self {
            capabilities,
            configuration,
            ingestion: ingestion.id,
            task,
            states,
            failed: vec![false; streams.len()],
            held: false,
            sources: vec![None; streams.len()],
            emptied: vec![false; streams.len()],
            streams,
            parts: ingestion.parts,
            moment: ingestion.moment.map(|moment| String::from_utf8_lossy(&moment).into_owned()),
            next: 0,
            session: None,
            capture: None,
            pending: VecDeque::new(),
            phase: Phase::Starting,
        })
    }

    /// What comes next.
    ///
    /// # Errors
    /// Those of [`Session::open`]; `unavailable` when the server goes away. The sync is over then.
    pub fn next_event(&mut self) -> Result<Event> {
        if let Some(event) = self.pending.pop_front() {
            return Ok(event);
        }
        match std::mem::replace(&mut self.phase, Phase::Broken) {
            Phase::Starting => self.start(),
            Phase::Between => self.begin_stream(),
            Phase::Reading(reader) => self.read(reader),
            Phase::Skipping => self.skip(),
            Phase::Following(follower) => self.follow(follower),
            Phase::Ended => self.end(),
            Phase::Broken => Err(Error::internal("the sync ended with an error: open it again")),
        }
    }

    fn is_captured(&self, index: usize) -> bool {
        self.streams[index].sync_mode == SyncMode::ChangeDataCapture
    }

    /// The stream's rows need not be read: they have been in this task, or changes tell what became of them.
    fn is_read(&self, index: usize) -> bool {
        let state = self.states[index].as_ref();
        if self.is_captured(index) {
            return state.is_some_and(|state| state.log().is_some());
        }
        state.is_some_and(|state| state.is_of(&self.task))
    }

    fn begin_stream(&mut self) -> Result<Event> {
        while self.next < self.streams.len() && (self.failed[self.next] || self.is_read(self.next)) {
            self.next += 1;
        }
        let index = self.next;
        let Some(selection) = self.streams.get(index) else {
            return self.begin_following();
        };
        self.next += 1;
        let name = full_name(selection);
        let session = match &mut self.session {
            Some(session) => session,
            empty => {
                let mut session = Session::open(self.capabilities.as_ref(), &self.configuration)?;
                session.execute(BEGIN)?;
                session.execute(SETTINGS)?;
                empty.insert(session)
            }
        };
        match StreamReader::begin(session, index, selection, self.states[index].as_ref()) {
            Ok(mut reader) => {
                self.pending
                    .push_back(Event::Progress(Progress { message: format!("reading {name}"), fraction: None }));
                if std::mem::take(&mut self.emptied[index]) {
                    self.pending.push_back(Event::Truncated(number(index)));
                }
                if let Some(columns) = reader.evolved() {
                    self.streams[index].columns.clone_from(&columns);
                    self.pending.push_back(Event::Evolved(Evolution { stream: number(index), columns }));
                }
                self.phase = Phase::Reading(Box::new(reader));
                self.next_event()
            }
            Err(trouble) => self.fail(index, trouble, Phase::Between),
        }
    }

    fn read(&mut self, mut reader: Box<StreamReader>) -> Result<Event> {
        let index = reader.index();
        let Some(session) = &mut self.session else { return Err(Error::internal("rows without a session")) };
        match reader.next(session) {
            Ok(Piece::Rows(data)) => {
                self.phase = Phase::Reading(reader);
                Ok(Event::Rows(Rows::inserts(number(index), RowData::ArrowIpc(data))))
            }
            Ok(Piece::End) => {
                session.execute(ROLL_BACK)?;
                self.phase = Phase::Between;
                self.report(&reader, index);
                let captured = self.is_captured(index);
                let state = match &self.capture {
                    Some(capture) if captured => {
                        let position =
                            LogPosition { lsn: capture.snapshot, system: capture.system, table: reader.table() };
                        State::at(position, self.sources[index].as_ref())
                    }
                    _ => State::complete(&self.task, reader.cursor(), reader.source()),
                };
                let checkpoint = Checkpoint { stream: Some(number(index)), state: state.write()?, complete: !captured };
                self.states[index] = Some(state);
                Ok(Event::Checkpoint(checkpoint))
            }
            Err(trouble) => {
                let then = if reader.is_copying() { Phase::Skipping } else { Phase::Between };
                self.fail(index, trouble, then)
            }
        }
    }

    fn skip(&mut self) -> Result<Event> {
        let Some(session) = &mut self.session else { return Err(Error::internal("rows without a session")) };
        let mut skipped = 0;
        while skipped < SKIPPED_PER_CALL {
            match session.copied() {
                Ok(Some(data)) => skipped += data.len(),
                // That it fails once more is of no interest.
                Ok(None) | Err(Failure::Statement(_)) => {
                    session.execute(ROLL_BACK)?;
                    self.phase = Phase::Between;
                    return Ok(Event::Waiting(0));
                }
                Err(Failure::Session(error)) => return Err(error),
            }
        }
        self.phase = Phase::Skipping;
        Ok(Event::Waiting(0))
    }

    fn begin_following(&mut self) -> Result<Event> {
        let (Some(capture), Some(mut session)) = (self.capture.take(), self.session.take()) else {
            return self.end();
        };
        session.execute("ROLLBACK")?;
        let follower = Follower::start(self, session, &capture)?;
        self.phase = Phase::Following(Box::new(follower));
        Ok(Event::Progress(Progress { message: format!("following changes up to {}", capture.target), fraction: None }))
    }

    fn follow(&mut self, mut follower: Box<Follower>) -> Result<Event> {
        match follower.step(&mut self.streams, self.capabilities.as_ref())? {
            changes::Step::Events(events) => {
                self.pending = events;
                self.phase = Phase::Following(follower);
                match self.pending.pop_front() {
                    Some(event) => Ok(event),
                    None => Ok(Event::Waiting(0)),
                }
            }
            changes::Step::Waiting(milliseconds) => {
                self.phase = Phase::Following(follower);
                Ok(Event::Waiting(milliseconds))
            }
            changes::Step::Done => {
                follower.close();
                self.end()
            }
        }
    }

    fn end(&mut self) -> Result<Event> {
        if let Some(session) = self.session.take() {
            session.close();
        }
        self.phase = Phase::Ended;
        Ok(Event::Done)
    }

    fn fail(&mut self, index: usize, trouble: Trouble, then: Phase) -> Result<Event> {
        let error = match trouble {
            Trouble::Sync(error) => return Err(error),
            Trouble::Stream(error) => error,
        };
        if let (Phase::Between, Some(session)) = (&then, &mut self.session) {
            session.execute(ROLL_BACK)?;
        }
        self.failed[index] = true;
        self.phase = then;
        Ok(Event::StreamFailed((number(index), error)))
    }

    fn report(&self, reader: &StreamReader, index: usize) {
        let name = full_name(&self.streams[index]);
        for (column, count) in reader.lost() {
            self.capabilities.log(Level::Warn, &lost(&name, column, count));
        }
        if reader.is_filtered() {
            let user = &self.configuration.username;
            let warning = format!(
                "{name}: row-level security shows user `{user}` some rows alone; ALTER ROLE it BYPASSRLS shows all"
            );
            self.capabilities.log(Level::Warn, &warning);
        }
        if reader.key() == unique::Key::Found {
            let key = self.streams[index].primary_key.join(", ");
            let warning = format!(
                "{name}: no unique index keeps its key ({key}) unique; rows that come to share it later will be merged into one"
            );
            self.capabilities.log(Level::Warn, &warning);
        }
        self.capabilities.log(Level::Info, &format!("{name}: {} rows", reader.rows()));
    }
}

/// What became of values, for the log.
fn lost(name: &str, column: &str, count: u64) -> String {
    format!(
        "{name}: {count} values of column `{column}` have no counterpart: infinities, NaN, out of range or arrays of more dimensions \
         than declared became null, bytes that are no UTF-8 became U+FFFD"
    )
}

/// No ingestion has four billion streams.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
