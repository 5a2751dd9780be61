//! Commands that answer once: `spec`, `check` and `discover`.
//!
//! A connector takes some seconds to start, so a call waits for its process; a sync, which must not wait, looks at one from time to
//! time with [`Running::poll`].

use asgard_sdk::connector::Source;
use asgard_sdk::context::Level;
use asgard_sdk::processes::ProcessStatus;
use asgard_sdk::types::InvalidInput;
use asgard_sdk::{Error, Result};
use serde_json::value::RawValue;

use crate::catalog::Discovered;
use crate::configuration::Connector;
use crate::failure;
use crate::host::Host;
use crate::lines::Lines;
use crate::messages::{self, Catalog, ConnectionStatus, Line, Log, Message, Specification, TraceError};
use crate::process::{self, Command};

/// Between two looks at a process.
const LOOK_MS: u64 = 100;

/// What a command came to.
#[derive(Debug, Default)]
struct Answer {
    specification: Option<Specification>,
    connection_status: Option<ConnectionStatus>,
    catalog: Option<Catalog>,
    error: Option<TraceError>,
}

/// A command under way.
pub struct Running {
    connector: String,
    word: &'static str,
    key: String,
    lines: Lines,
    answer: Answer,
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// Those of the host.
    pub fn start(
        host: &dyn Host,
        connector: &Connector,
        command: &Command,
        source: Option<&Source>,
        key: String,
    ) -> Result<Self> {
        host.start(&key, &process::spec(connector, command, source))?;
        Ok(Self {
            connector: connector.name.clone(),
            word: command.word(),
            key,
            lines: Lines::default(),
            answer: Answer::default(),
        })
    }

    /// Looks at it: its end, or none while it runs.
    fn poll(&mut self, host: &dyn Host) -> Result<Option<ProcessStatus>> {
        // The status first: what the process wrote before its end is then in the output that is read after.
        let status = host.status(&self.key)?;
        while self.lines.fill(host, &self.key)? {
            while let Some(line) = self.lines.next_line() {
                self.note(host, &line)?;
            }
        }
        if status == ProcessStatus::Running {
            return Ok(None);
        }
        if let Some(line) = self.lines.last_line() {
            self.note(host, &line)?;
        }
        Ok(Some(status))
    }

    fn note(&mut self, host: &dyn Host, line: &[u8]) -> Result<()> {
        match messages::read(line)? {
            Line::Other(text) => say(host, text),
            Line::Message(message) => {
                let Message { log, trace, spec, connection_status, catalog, .. } = *message;
                if let Some(log) = log {
                    say_log(host, &log);
                }
                if let Some(error) = trace.and_then(|trace| trace.error) {
                    self.answer.error = Some(error);
                }
                self.answer.specification = spec.or(self.answer.specification.take());
                self.answer.connection_status = connection_status.or(self.answer.connection_status.take());
                self.answer.catalog = catalog.or(self.answer.catalog.take());
            }
        }
        Ok(())
    }

    /// Looks at a `discover`: the streams, or none while it runs.
    ///
    /// # Errors
    /// The connector's own.
    pub fn poll_streams(&mut self, host: &dyn Host) -> Result<Option<Vec<Discovered>>> {
        match self.poll(host)? {
            None => Ok(None),
            Some(status) => self.streams(host, &status).map(Some),
        }
    }

    fn streams(&mut self, host: &dyn Host, status: &ProcessStatus) -> Result<Vec<Discovered>> {
        match self.answer.catalog.take() {
            Some(catalog) => catalog.streams.into_iter().map(|raw: Box<RawValue>| Discovered::read(raw)).collect(),
            None => Err(self.failed(host, status)),
        }
    }

    fn failed(&self, host: &dyn Host, status: &ProcessStatus) -> Error {
        match &self.answer.error {
            Some(error) => failure::told(&self.connector, error),
            None => failure::ended(host, &self.connector, self.word, &self.key, status),
        }
    }

    /// Waits for its end.
    fn wait(&mut self, host: &dyn Host) -> Result<ProcessStatus> {
        loop {
            if let Some(status) = self.poll(host)? {
                return Ok(status);
            }
            host.sleep_ms(LOOK_MS);
        }
    }
}

/// Several at once, each to its end; their processes are removed whatever happens.
fn with_all<T>(
    host: &dyn Host,
    mut running: Vec<Running>,
    take: impl Fn(&mut Running, &ProcessStatus) -> Result<T>,
) -> Result<Vec<T>> {
    let mut answers = Vec::new();
    let mut failed = None;
    for each in &mut running {
        if failed.is_none() {
            match each.wait(host).and_then(|status| take(each, &status)) {
                Ok(answer) => answers.push(answer),
                Err(error) => failed = Some(error),
            }
        }
    }
    for each in &running {
        host.remove(&each.key)?;
    }
    failed.map_or(Ok(answers), Err)
}

/// The specifications of some connectors, in their order.
///
/// # Errors
/// The first connector's that has none to tell.
pub fn specifications(host: &dyn Host, connectors: &[Connector]) -> Result<Vec<Specification>> {
    let mut running = Vec::new();
    for connector in connectors {
        let key = host.unique_key("spec");
        match Running::start(host, connector, &Command::Spec, None, key) {
            Ok(started) => running.push(started),
            Err(error) => {
                for each in &running {
                    host.remove(&each.key)?;
                }
                return Err(error);
            }
        }
    }
    with_all(host, running, |each, status| match each.answer.specification.take() {
        Some(specification) => Ok(specification),
        None => Err(each.failed(host, status)),
    })
}

/// Has the connector reach its source.
///
/// # Errors
/// `invalid-input` with the connector's words when it cannot; those of its process.
pub fn check(host: &dyn Host, connector: &Connector, source: &Source) -> Result<()> {
    let running = Running::start(host, connector, &Command::Check, Some(source), host.unique_key("check"))?;
    let checked = with_all(host, vec![running], |each, status| {
        let Some(answer) = each.answer.connection_status.take() else { return Err(each.failed(host, status)) };
        if answer.status.eq_ignore_ascii_case("succeeded") {
            return Ok(());
        }
        // A trace says more of what kind of failure it is.
        if let Some(error) = each.answer.error.take().filter(|error| error.failure_type.is_some()) {
            return Err(failure::told(&each.connector, &error));
        }
        let words = answer.message.unwrap_or_else(|| "it does not say why".to_owned());
        Err(Error::InvalidInput(InvalidInput {
            field: Some("config".to_owned()),
            message: format!("connector `{}` cannot reach the source: {words}", each.connector),
        }))
    });
    checked.map(drop)
}

/// The source's streams.
///
/// # Errors
/// The connector's own.
pub fn discover(host: &dyn Host, connector: &Connector, source: &Source) -> Result<Vec<Discovered>> {
    let running = Running::start(host, connector, &Command::Discover, Some(source), host.unique_key("discover"))?;
    let found = with_all(host, vec![running], |each, status| each.streams(host, status))?;
    Ok(found.into_iter().flatten().collect())
}

/// A line of the connector's log, in the task's.
pub fn say_log(host: &dyn Host, log: &Log) {
    let level = match log.level.to_ascii_uppercase().as_str() {
        "FATAL" | "ERROR" => Level::Error,
        "WARN" | "WARNING" => Level::Warn,
        "DEBUG" | "TRACE" => Level::Debug,
        _ => Level::Info,
    };
    host.log(level, shown(&log.message));
    if let Some(trace) = &log.stack_trace {
        host.log(Level::Debug, shown(trace));
    }
}

/// What a library of the connector printed.
pub fn say(host: &dyn Host, text: &str) {
    if !text.is_empty() {
        host.log(Level::Debug, shown(text));
    }
}

/// A printed table should not fill the log.
fn shown(text: &str) -> &str {
    text.char_indices().nth(2000).map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}
