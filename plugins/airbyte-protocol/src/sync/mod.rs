//! A read as the events of a sync.
//!
//! # Life of a sync
//! What an earlier opening left running is ended. The connector is asked for its streams, as they are now: the catalog that it reads
//! by must be its own, and columns that are new are added to the tables. Then it reads, and its records become rows as they come; at
//! its end every stream that came to its end is committed.
//!
//! # What is committed when
//! A state of the protocol promises that everything before it was told, and no more: connectors that read in parallel tell records
//! before the state that counts them. Going on from a state may repeat records, so it is only done where a repeated record changes
//! nothing, in streams that are merged, or where the binding says that states are exact. Everything else is one commit at the
//! stream's end, and a crash before it reads the stream again; so is everything of a connector whose states before the last one say
//! nothing, which the binding has to tell.
//!
//! A stream is at its end when the process is: some connectors tell a last state after they said `COMPLETE`.

mod reading;
mod stream;

use std::collections::VecDeque;

use asgard_sdk::connector::{Event, Evolution, Ingestion};
use asgard_sdk::context::Level;
use asgard_sdk::processes::ProcessStatus;
use asgard_sdk::{Column, Error, Progress, Result};

use crate::catalog::{self, Discovered};
use crate::checkpoint::{self, Stored};
use crate::command::Running;
use crate::configuration::Connector;
use crate::failure;
use crate::host::Host;
use crate::lines::Lines;
use crate::messages::TraceError;
use crate::process::{self, Command};

use stream::Stream;

/// The processes of a sync within its task.
const DISCOVER: &str = "discover";
const READ: &str = "read";

/// Between two looks at a process that says nothing; the longer it says nothing, the longer.
const FIRST_LOOK_MS: u32 = 50;
const LAST_LOOK_MS: u32 = 1000;

/// Ends the processes of the task's sync.
///
/// # Errors
/// Those of the host.
pub fn end(host: &dyn Host) -> Result<()> {
    host.remove(DISCOVER)?;
    host.remove(READ)
}

enum Phase {
    Start,
    Discovering(Box<Running>),
    Reading(Lines),
    Ended,
}

/// A sync under way.
pub struct Run<H> {
    host: H,
    connector: Connector,
    ingestion: Ingestion,
    task: String,
    streams: Vec<Stream>,
    phase: Phase,
    events: VecDeque<Event>,
    /// What the connector said went wrong, of no stream in particular.
    error: Option<TraceError>,
    /// How its process ended that said nothing of it.
    ended: Option<Error>,
    /// The newest state of any stream.
    order: u64,
    look_ms: u32,
    /// Told by the connector, of all streams together.
    expected: u64,
}

impl<H: Host> Run<H> {
    /// Opens a sync; nothing is started yet.
    ///
    /// # Errors
    /// `unsupported` for columns that records cannot be brought to.
    pub fn open(host: H, connector: Connector, ingestion: Ingestion, task: &str) -> Result<Self> {
        let streams: Vec<Stream> = ingestion
            .streams
            .iter()
            .map(|selection| Stream::open(selection, task, &connector.definition))
            .collect::<Result<_>>()?;
        // The connector's process of before may still run, and write.
        end(&host)?;
        let order = streams.iter().filter_map(|stream| stream.state.as_ref()).map(|state| state.order).max();
        Ok(Self {
            host,
            connector,
            ingestion,
            task: task.to_owned(),
            streams,
            phase: Phase::Start,
            events: VecDeque::new(),
            error: None,
            ended: None,
            order: order.unwrap_or(0),
            look_ms: FIRST_LOOK_MS,
            expected: 0,
        })
    }

    /// What happens next.
    ///
    /// # Errors
    /// The connector's own; the sync is over then, and may be opened again.
    pub fn next_event(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Start => self.start()?,
                Phase::Discovering(mut running) => match running.poll_streams(&self.host)? {
                    None => {
                        self.phase = Phase::Discovering(running);
                        return Ok(self.wait());
                    }
                    Some(discovered) => {
                        self.host.remove(DISCOVER)?;
                        self.read(&discovered)?;
                    }
                },
                Phase::Reading(mut lines) => {
                    // The status first: what was written before the end is then in the output that is read after.
                    let status = self.host.status(READ)?;
                    if lines.fill(&self.host, READ)? {
                        self.look_ms = FIRST_LOOK_MS;
                        while let Some(line) = lines.next_line() {
                            self.take(&line)?;
                        }
                        self.phase = Phase::Reading(lines);
                    } else if status == ProcessStatus::Running {
                        self.phase = Phase::Reading(lines);
                        return Ok(self.wait());
                    } else {
                        if let Some(line) = lines.last_line() {
                            self.take(&line)?;
                        }
                        self.conclude(&status)?;
                    }
                }
                Phase::Ended => {
                    end(&self.host)?;
                    let told = self.error.take().map(|error| failure::told(&self.connector.name, &error));
                    return told.or(self.ended.take()).map_or(Ok(Event::Done), Err);
                }
            }
        }
    }

    fn wait(&mut self) -> Event {
        let look = self.look_ms;
        self.look_ms = (look * 2).min(LAST_LOOK_MS);
        Event::Waiting(look)
    }

    fn start(&mut self) -> Result<()> {
        if self.streams.iter().all(|stream| stream.is_complete) {
            return Ok(());
        }
        self.progress(format!("connector `{}` starts", self.connector.name), None);
        let command = Command::Discover;
        let source = Some(&self.ingestion.source);
        let running = Running::start(&self.host, &self.connector, &command, source, DISCOVER.to_owned())?;
        self.phase = Phase::Discovering(Box::new(running));
        Ok(())
    }

    /// Starts the process that reads what is not there yet.
    fn read(&mut self, discovered: &[Discovered]) -> Result<()> {
        let mut wanted = Vec::new();
        for index in 0..self.streams.len() {
            let selection = &self.ingestion.streams[index];
            if self.streams[index].is_complete {
                continue;
            }
            match discovered.iter().find(|stream| stream.is(selection)) {
                None => {
                    let message = format!("the source has no stream `{}` any more", self.streams[index].full_name());
                    self.fail(index, Error::NotFound(message));
                }
                Some(found) => {
                    self.compare(index, found);
                    wanted.push((index, found));
                }
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let states: Vec<&Stored> = wanted.iter().filter_map(|(index, _)| self.streams[*index].state.as_ref()).collect();
        if checkpoint::differ(&states) {
            self.host.warn(
                "RecordsRepeated",
                "a crash left the streams at different states of the source, so it is read from the oldest: streams that are appended may have records twice, those that are merged do not",
            );
        }
        let state = checkpoint::file(&states);
        let selected: Vec<_> = wanted.iter().map(|(index, found)| (&self.ingestion.streams[*index], *found)).collect();
        let command = Command::Read { catalog: catalog::configured(&selected)?, state };
        self.host.start(READ, &process::spec(&self.connector, &command, Some(&self.ingestion.source)))?;
        self.look_ms = FIRST_LOOK_MS;
        self.phase = Phase::Reading(Lines::default());
        Ok(())
    }

    /// Columns that are new are added. A type that became another stays as the table has it until a reset.
    fn compare(&mut self, index: usize, found: &Discovered) {
        let stream = &mut self.streams[index];
        let name = stream.full_name();
        let columns = &self.ingestion.streams[index].columns;
        let mut evolved: Vec<Column> = columns.clone();
        for (column, shape) in found.columns() {
            match columns.iter().find(|known| known.name == column.name) {
                None => {
                    // Names that SQL does not tell apart make no table.
                    if evolved.iter().any(|known| known.name.eq_ignore_ascii_case(&column.name)) {
                        let message =
                            format!("{name}: column `{}` is left out: another differs in case alone", column.name);
                        self.host.warn("ColumnLeftOut", &message);
                        continue;
                    }
                    stream.columns.push((column.name.clone(), shape));
                    evolved.push(column);
                }
                Some(known) if known.data_type != column.data_type => self.host.log(
                    Level::Warn,
                    &format!(
                        "{name}: column `{}` is {} now and stays {}: POST /ingestion/{{id}}/reset takes the types anew",
                        column.name, column.data_type, known.data_type
                    ),
                ),
                Some(_) => {}
            }
        }
        if evolved.len() > columns.len() {
            let stream = u32::try_from(index).unwrap_or(u32::MAX);
            self.events.push_back(Event::Evolved(Evolution { stream, columns: evolved }));
        }
    }

    fn progress(&mut self, message: String, fraction: Option<f64>) {
        self.events.push_back(Event::Progress(Progress { message, fraction }));
    }

    fn fail(&mut self, index: usize, error: Error) {
        let stream = &mut self.streams[index];
        if !stream.has_failed {
            stream.has_failed = true;
            stream.drop_rows();
            self.events.push_back(Event::StreamFailed((u32::try_from(index).unwrap_or(u32::MAX), error)));
        }
    }
}
