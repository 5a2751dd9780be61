//! A sync: streams one after the other over one connection, all of one snapshot.
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

mod checkpoint;
mod plan;
mod stream;

use asgard_sdk::connector::{Checkpoint, Event, Ingestion, RowData, Rows, StreamSelection};
use asgard_sdk::context::Level;
use asgard_sdk::{Error, Progress, Result};

use crate::capabilities::Capabilities;
use crate::configuration::Configuration;
use crate::session::Session;
use crate::wire::Failure;
use checkpoint::State;
use stream::{Piece, StreamReader};

/// How the values of a session are written where they travel as text, whatever the server's defaults are; and no limit of
/// the server's ends a long read. A lock that somebody keeps does: the sync is repeated later.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL DateStyle TO 'ISO, MDY';
    SET LOCAL IntervalStyle TO 'iso_8601';
    SET LOCAL TimeZone TO 'UTC';
    SET LOCAL extra_float_digits TO 3;
    SET LOCAL bytea_output TO 'hex';
    SET LOCAL statement_timeout TO 0;
    SET LOCAL idle_in_transaction_session_timeout TO 0;
    SET LOCAL lock_timeout TO '60s';
    SAVEPOINT stream";

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
            Failure::Statement(told) => Self::Stream(told.into_error()),
            Failure::Session(error) => Self::Sync(error),
        }
    }
}

/// A sync under way.
pub struct Run {
    capabilities: Box<dyn Capabilities>,
    configuration: Configuration,
    task: String,
    streams: Vec<StreamSelection>,
    states: Vec<Option<State>>,
    next: usize,
    session: Option<Session>,
    phase: Phase,
}

enum Phase {
    Between,
    Reading(Box<StreamReader>),
    /// The stream has failed while rows were coming.
    Skipping,
    Ended,
    /// It ended with an error, which must not be taken for an end.
    Broken,
}

impl Run {
    /// A sync for the task. Nothing is connected to before the first stream that has something to read.
    ///
    /// # Errors
    /// `invalid-input` for the source's configuration.
    pub fn new(capabilities: Box<dyn Capabilities>, ingestion: Ingestion, task: String) -> Result<Self> {
        let configuration = Configuration::of(&ingestion.source)?;
        configuration.refuse_unsupported()?;
        let states =
            ingestion.streams.iter().map(|stream| stream.checkpoint.as_deref().and_then(State::read)).collect();
        let streams = ingestion.streams;
        Ok(Self { capabilities, configuration, task, streams, states, next: 0, session: None, phase: Phase::Between })
    }

    /// What comes next.
    ///
    /// # Errors
    /// Those of [`Session::open`]; `unavailable` when the server goes away. The sync is over then.
    pub fn next_event(&mut self) -> Result<Event> {
        match std::mem::replace(&mut self.phase, Phase::Broken) {
            Phase::Between => self.begin_stream(),
            Phase::Reading(reader) => self.read(reader),
            Phase::Skipping => self.skip(),
            Phase::Ended => self.end(),
            Phase::Broken => Err(Error::internal("the sync ended with an error: open it again")),
        }
    }

    fn begin_stream(&mut self) -> Result<Event> {
        let done = |state: &Option<State>| state.as_ref().is_some_and(|state| state.is_of(&self.task));
        while self.states.get(self.next).is_some_and(done) {
            self.next += 1;
        }
        let index = self.next;
        let Some(selection) = self.streams.get(index) else {
            return self.end();
        };
        self.next += 1;
        let name = full_name(selection);
        let session = match &mut self.session {
            Some(session) => session,
            empty => {
                let mut session = Session::open(self.capabilities.as_ref(), &self.configuration)?;
                session.execute(BEGIN)?;
                empty.insert(session)
            }
        };
        let state = self.states[index].take();
        match StreamReader::begin(session, selection, state.as_ref(), self.capabilities.as_ref()) {
            Ok(reader) => {
                self.phase = Phase::Reading(Box::new(reader.numbered(index)));
                Ok(Event::Progress(Progress { message: format!("reading {name}"), fraction: None }))
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
                Ok(Event::Rows(Rows { stream: number(index), data: RowData::ArrowIpc(data), changes: Vec::new() }))
            }
            Ok(Piece::End) => {
                session.execute(ROLL_BACK)?;
                self.phase = Phase::Between;
                self.report(&reader, index);
                let state = State::complete(&self.task, reader.cursor()).write()?;
                Ok(Event::Checkpoint(Checkpoint { stream: Some(number(index)), state, complete: true }))
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
        self.phase = then;
        Ok(Event::StreamFailed((number(index), error)))
    }

    fn report(&self, reader: &StreamReader, index: usize) {
        let name = full_name(&self.streams[index]);
        for (column, count) in reader.lost() {
            let message = format!(
                "{name}: {count} values of column `{column}` became null, having no counterpart: infinities, NaN or out of range"
            );
            self.capabilities.log(Level::Warn, &message);
        }
        self.capabilities.log(Level::Info, &format!("{name}: {} rows", reader.rows()));
    }
}

/// `schema.table`.
fn full_name(selection: &StreamSelection) -> String {
    format!("{}.{}", schema_of(selection), selection.name)
}

/// Streams of this connector always have one.
fn schema_of(selection: &StreamSelection) -> &str {
    selection.namespace.as_deref().unwrap_or("public")
}

/// No ingestion has four billion streams.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
