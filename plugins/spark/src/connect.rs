//! Spark Connect: the job program is a local process, and a client of the server.
//!
//! The end of the process is stored as a step of its own before anything is concluded from it: its folder is removed with the
//! conclusion, and a step that is repeated after a crash must not find it gone.

use asgard_sdk::json::json;
use asgard_sdk::processes::{Content, Ending, File, ProcessStatus, Spec};
use asgard_sdk::transform::Status;
use asgard_sdk::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::configuration::{Configuration, REFERENCE};
use crate::host::Host;
use crate::output;
use crate::report::Report;
use crate::request::PROGRAM;
use crate::run::{Job, Taken, concluded, details, poll_after_ms, running};

/// The process's name within its task, of which there is one.
const KEY: &str = "job";

/// Read in one step.
const CHUNK: u32 = 1 << 20;

/// How far back from the end last words are looked for.
const TAIL: u32 = 16 << 10;

/// What a step knows of those before it.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    job: Job,
    /// Of the output that is in the log.
    offset: u64,
    /// How the process ended, in words, and what it wrote at last.
    end: Option<(String, String)>,
}

/// Runs as clients of one server.
pub struct Connect<'a> {
    host: &'a dyn Host,
    configuration: &'a Configuration,
}

impl<'a> Connect<'a> {
    /// For the binding's configuration.
    pub fn new(host: &'a dyn Host, configuration: &'a Configuration) -> Self {
        Self { host, configuration }
    }

    /// Whether the configuration has what it takes.
    ///
    /// # Errors
    /// `invalid-input` with the field.
    pub fn check(&self) -> Result<()> {
        let url = self.configuration.needed("url", &self.configuration.url)?;
        if url.starts_with("sc://") {
            return Ok(());
        }
        Err(Error::invalid(
            "configuration.url",
            format!("`{url}` is no Spark Connect server: expected `sc://HOST:PORT`"),
        ))
    }

    /// Starts the client.
    ///
    /// # Errors
    /// `forbidden` when the program or a secret is not granted.
    pub fn start(&self, job: Job) -> Result<Taken<State>> {
        self.host.start(KEY, &self.spec(&job)?)?;
        let status = running("started the client".to_owned(), poll_after_ms(0));
        Ok(self.taken(State { job, offset: 0, end: None }, status, "SUBMITTED"))
    }

    fn spec(&self, job: &Job) -> Result<Spec> {
        let mut environment = vec![
            // Lines reach the log when they are written, not when a buffer is full.
            ("PYTHONUNBUFFERED".to_owned(), "1".to_owned()),
            ("TZ".to_owned(), "UTC".to_owned()),
        ];
        for (name, value) in self.configuration.secrets()? {
            let value = if value.starts_with(REFERENCE) { self.host.reveal(&value)? } else { value };
            environment.push((name.to_owned(), value));
        }
        let file =
            |path: &str, text: &str| File { path: path.to_owned(), content: Content::Inline(text.as_bytes().to_vec()) };
        Ok(Spec {
            program: self.configuration.program.clone(),
            arguments: vec!["job.py".to_owned(), "@request.json".to_owned()],
            environment,
            files: vec![file("job.py", PROGRAM), file("request.json", &job.request.to_json()?)],
            timeout_ms: self.configuration.timeout_seconds.saturating_mul(1000),
            memory_bytes: None,
        })
    }

    /// Follows the client, or concludes.
    ///
    /// # Errors
    /// Those of the host.
    pub fn advance(&self, mut state: State) -> Result<Taken<State>> {
        if let Some((how, last_words)) = state.end.take() {
            return self.conclude(state, &how, &last_words);
        }
        // The status first: what the process wrote before its end is then in the output that is read after.
        let how = match self.host.status(KEY) {
            Ok(ProcessStatus::Running) => None,
            Ok(ProcessStatus::Exited(status)) => Some(format!("ended with status {status}")),
            Ok(ProcessStatus::Ended(Ending::Timeout)) => Some(format!(
                "ran past its limit of {} s and was ended: raise `timeout_seconds` of the binding",
                self.configuration.timeout_seconds
            )),
            Ok(ProcessStatus::Ended(Ending::Stopped)) => Some("was stopped".to_owned()),
            Ok(ProcessStatus::Ended(Ending::Signal)) => Some("was ended by a signal".to_owned()),
            // An earlier try found the server away, or another host has taken over: the catalog knows whether it had committed.
            Err(Error::NotFound(_)) => {
                self.host.start(KEY, &self.spec(&state.job)?)?;
                let status = running("started the client again".to_owned(), poll_after_ms(0));
                return Ok(self.taken(State { offset: 0, ..state }, status, "SUBMITTED"));
            }
            Err(error) => return Err(error),
        };
        let chunk = self.host.output(KEY, state.offset, CHUNK)?;
        let taken = output::take(self.host, &mut state.job.report, &chunk.data, how.is_some());
        state.offset = chunk.next.saturating_sub((chunk.data.len() - taken) as u64);
        if taken > 0 && how.is_some() {
            return Ok(self.taken(state, running("reading the client's last words".to_owned(), 0), "RUNNING"));
        }
        let Some(how) = how else {
            let elapsed = self.host.now_ms().saturating_sub(state.job.started_ms);
            let message = if state.job.report.started.is_some() { "running" } else { "connecting" };
            return Ok(self.taken(state, running(message.to_owned(), poll_after_ms(elapsed)), "RUNNING"));
        };
        let from = state.offset.saturating_sub(u64::from(TAIL));
        let tail = self.host.output(KEY, from, TAIL)?.data;
        state.end = Some((how, output::last_words(&String::from_utf8_lossy(&tail))));
        Ok(self.taken(state, running("the client has ended".to_owned(), 0), "RUNNING"))
    }

    fn conclude(&self, mut state: State, how: &str, last_words: &str) -> Result<Taken<State>> {
        let status = concluded(self.host, &state.job, || {
            Error::internal(format!("the job program {how}. Its last lines:\n{last_words}"))
        });
        self.host.remove(KEY)?;
        let word = match &status {
            Status::Succeeded(_) => "COMPLETED",
            Status::Failed(Error::Unavailable(_)) => {
                // The host repeats the step: by then there is a new client.
                (state.job.report, state.offset) = (Report::default(), 0);
                return Ok(self.taken(state, status, "FAILED"));
            }
            _ => "FAILED",
        };
        state.end = Some((how.to_owned(), last_words.to_owned()));
        Ok(self.taken(state, status, word))
    }

    fn taken(&self, state: State, status: Status, word: &str) -> Taken<State> {
        let mut details = details(
            &state.job,
            json!({ "state": word, "server": self.configuration.url, "client": self.configuration.program }),
        );
        // The server's executors are its own affair.
        details.insert("executor_count".to_owned(), json!(0));
        Taken { state, status, details }
    }

    /// Ends the client, which tells the server to end the statement.
    ///
    /// # Errors
    /// Those of the host.
    pub fn cancel(&self, _state: &State) -> Result<()> {
        self.host.remove(KEY)
    }
}
