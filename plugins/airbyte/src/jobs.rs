//! A sync as one job of Airbyte's.
//!
//! # Once
//! The API takes no key by which a job is started once. So the newest job of the connection is remembered before a job is started: a
//! newer one that is there after a crash is the one that this sync started. Airbyte's own schedule is manual, and it runs one job of a
//! connection at a time.

use std::collections::VecDeque;

use asgard_sdk::connector::{Event, Ingestion, Moved};
use asgard_sdk::context::Level;
use asgard_sdk::types::InvalidInput;
use asgard_sdk::url::escape;
use asgard_sdk::{Error, Progress, Result};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::configuration::Configuration;
use crate::host::Host;
use crate::inventory::Inventory;
use crate::reset;
use crate::trial::words;
use crate::wire::{Attempt, Job, JobId, JobInfo, NewJob, Page};

/// What is remembered of a sync, until its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Noted {
    connection: String,
    /// The newest job of before, 0 where there was none.
    before: i64,
    job: Option<i64>,
}

/// Each sync has a bucket of its own, so that it can be forgotten.
fn bucket(task: &str) -> String {
    format!("sync-{task}")
}

const KEY: &str = "job";

fn recall(host: &dyn Host, task: &str) -> Result<Option<Noted>> {
    host.recall(&bucket(task), KEY)?.map(|bytes| asgard_sdk::decode(&bytes)).transpose()
}

/// The newest job of a connection of one kind, `sync` or `reset`.
///
/// # Errors
/// Those of the server.
pub(crate) fn newest(client: &Client<'_>, connection: &str, kind: &str) -> Result<Option<Job>> {
    let path = format!("/jobs?connectionId={}&jobType={kind}&limit=1&orderBy=createdAt%7CDESC", escape(connection));
    Ok(client.get::<Page<Job>>(&path)?.data.into_iter().next())
}

/// What Airbyte is at.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// The reset that comes before the sync.
    Reset(i64),
    Sync(i64),
}

impl Work {
    fn job(self) -> i64 {
        let (Self::Reset(job) | Self::Sync(job)) = self;
        job
    }
}

/// A sync under way.
pub struct Run<H> {
    host: H,
    configuration: Configuration,
    ingestion: Ingestion,
    task: String,
    work: Work,
    /// What was told of each stream.
    moved: Vec<(u64, u64)>,
    status: String,
    events: VecDeque<Event>,
    is_done: bool,
    has_looked: bool,
}

impl<H: Host> Run<H> {
    /// Starts the job, or finds the one that was started for this sync.
    ///
    /// # Errors
    /// Those of the server.
    pub fn open(host: H, configuration: Configuration, ingestion: Ingestion, task: &str) -> Result<Self> {
        let work = begin(&host, &configuration, &ingestion, task)?;
        let moved = vec![(0, 0); ingestion.streams.len()];
        Ok(Self {
            host,
            configuration,
            ingestion,
            task: task.to_owned(),
            work,
            moved,
            status: String::new(),
            events: VecDeque::new(),
            is_done: false,
            has_looked: false,
        })
    }

    /// What happens next.
    ///
    /// # Errors
    /// Why the job failed; those of the server.
    pub fn next_event(&mut self) -> Result<Event> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        if self.is_done {
            return Ok(Event::Done);
        }
        if std::mem::take(&mut self.has_looked) {
            return Ok(Event::Waiting(self.configuration.poll_seconds.saturating_mul(1000)));
        }
        self.look()?;
        self.has_looked = true;
        self.next_event()
    }

    fn look(&mut self) -> Result<()> {
        let client = Client::new(&self.host, &self.configuration);
        let (work, number) = (self.work, self.work.job());
        let found = client.find::<Job>(&format!("/jobs/{number}"))?;
        if let Work::Reset(_) = work {
            if reset::is_over(&self.host, &self.ingestion, number, found.as_ref())? {
                self.work = begin(&self.host, &self.configuration, &self.ingestion, &self.task)?;
                self.status.clear();
            } else if let Some(job) = found {
                self.tell(&format!("job {number} of Airbyte, a reset, is"), &job.status);
            }
            return Ok(());
        }
        let Some(job) = found else {
            self.forget()?;
            return Err(Error::NotFound(format!("job {number} is no longer in Airbyte: its end is not known")));
        };
        // What each stream came to, and why an attempt failed, only the server's own API tells.
        let info = client.ask::<JobInfo>("/jobs/get", &JobId { id: number });
        let attempts: Vec<Attempt> = match info {
            Ok(info) => info.attempts.into_iter().map(|info| info.attempt).collect(),
            Err(error @ Error::Unavailable(_)) => return Err(error),
            Err(error) => {
                self.host.log(Level::Warn, &format!("the job's attempts cannot be read: {}", told(&error)));
                Vec::new()
            }
        };
        self.count(&job, attempts.last());
        self.tell(&format!("job {number} of Airbyte is"), &job.status);
        match job.status.as_str() {
            "succeeded" => {
                self.forget()?;
                self.is_done = true;
                Ok(())
            }
            "failed" => {
                self.forget()?;
                Err(self.failed(&attempts))
            }
            // The host knows of its own cancellations alone: to it, this is a sync that failed.
            "cancelled" => {
                self.forget()?;
                Err(Error::Conflict(format!(
                    "job {number} was cancelled in Airbyte, not here: rows that it moved before stay, and another sync may be started"
                )))
            }
            // Pending, queued, running; incomplete: another attempt follows.
            _ => Ok(()),
        }
    }

    /// A status that is another than before.
    fn tell(&mut self, what: &str, status: &str) {
        if status != self.status {
            status.clone_into(&mut self.status);
            let message = format!("{what} {status}");
            self.events.push_back(Event::Progress(Progress { message, fraction: None }));
        }
    }

    /// The job has ended, and nothing is asked of it again.
    fn forget(&self) -> Result<()> {
        self.host.forget(&bucket(&self.task))
    }

    /// Rows and bytes as far as they changed. Without numbers of each stream, those of the job are the only stream's.
    fn count(&mut self, job: &Job, attempt: Option<&Attempt>) {
        let mut now = self.moved.clone();
        let stats = attempt.map(|attempt| attempt.stream_stats.as_slice()).unwrap_or_default();
        for each in stats {
            let namespace = each.stream_namespace.as_deref().filter(|namespace| !namespace.is_empty());
            let is_it = |stream: &asgard_sdk::connector::StreamSelection| {
                stream.name == each.stream_name && stream.namespace.as_deref() == namespace
            };
            if let Some(place) = self.ingestion.streams.iter().position(is_it).and_then(|index| now.get_mut(index)) {
                let records = each.stats.records_committed.or(each.stats.records_emitted).unwrap_or(0);
                let bytes = each.stats.bytes_committed.or(each.stats.bytes_emitted).unwrap_or(0);
                *place = (records, bytes);
            }
        }
        if let ([only], [], Some(rows)) = (&mut now[..], stats, job.rows_synced) {
            *only = (rows, job.bytes_synced.unwrap_or(0));
        }
        for (index, (after, before)) in now.iter().zip(&self.moved).enumerate() {
            if after != before {
                let stream = u32::try_from(index).unwrap_or(u32::MAX);
                self.events.push_back(Event::Moved(Moved { stream, records: after.0, bytes: after.1 }));
            }
        }
        self.moved = now;
    }

    fn failed(&self, attempts: &[Attempt]) -> Error {
        let failures = attempts.last().and_then(|attempt| attempt.failure_summary.as_ref());
        let failures = failures.map(|summary| summary.failures.as_slice()).unwrap_or_default();
        let reasons: Vec<String> = failures.iter().map(words).collect();
        let reasons = if reasons.is_empty() { "no reason is told".to_owned() } else { reasons.join("; ") };
        let message = format!("job {} of Airbyte failed after {} attempts: {reasons}", self.work.job(), attempts.len());
        // Airbyte has tried again as often as it does: trying once more is for whoever reads this.
        match failures.first().and_then(|failure| failure.failure_type.as_deref()) {
            Some("config_error") => Error::InvalidInput(InvalidInput { field: Some("config".to_owned()), message }),
            _ => Error::internal(message),
        }
    }
}

/// A sync that has its job goes on with it; one that has none may come after a reset.
fn begin(host: &dyn Host, configuration: &Configuration, ingestion: &Ingestion, task: &str) -> Result<Work> {
    if recall(host, task)?.is_none()
        && let Some(job) = reset::begin(host, configuration, ingestion)?
    {
        return Ok(Work::Reset(job));
    }
    start(host, configuration, ingestion, task).map(Work::Sync)
}

/// Refuses to begin beside a job that runs.
///
/// # Errors
/// `unavailable` until its end.
pub(crate) fn wait_for_others(newest: Option<&Job>) -> Result<()> {
    match newest.filter(|job| !is_final(&job.status)) {
        Some(running) => Err(Error::unavailable(format!(
            "job {} of this connection runs in Airbyte already, and was not started by this sync: it waits for its end",
            running.job_id
        ))),
        None => Ok(()),
    }
}

fn start(host: &dyn Host, configuration: &Configuration, ingestion: &Ingestion, task: &str) -> Result<i64> {
    let client = Client::new(host, configuration);
    let noted = recall(host, task)?;
    if let Some(job) = noted.as_ref().and_then(|noted| noted.job) {
        return Ok(job);
    }
    let note = |noted: &Noted| host.remember(&bucket(task), KEY, &asgard_sdk::encode(noted)?);
    let mut noted = match noted {
        Some(noted) => noted,
        None => {
            let connection = Inventory::new(host, configuration)?.connection(ingestion)?;
            let before = newest(&client, &connection, "sync")?;
            wait_for_others(before.as_ref())?;
            let noted = Noted { connection, before: before.map_or(0, |job| job.job_id), job: None };
            note(&noted)?;
            noted
        }
    };
    // Started by this sync before a crash.
    let job = match newest(&client, &noted.connection, "sync")?.filter(|job| job.job_id > noted.before) {
        Some(job) => job,
        None => client.send("POST", "/jobs", &NewJob { connection_id: &noted.connection, job_type: "sync" })?,
    };
    noted.job = Some(job.job_id);
    note(&noted)?;
    Ok(job.job_id)
}

fn is_final(status: &str) -> bool {
    matches!(status, "succeeded" | "failed" | "cancelled")
}

/// Cancels the job of a sync. Nothing happens when it has ended, or was never started.
///
/// # Errors
/// Those of the server.
pub fn cancel(host: &dyn Host, configuration: &Configuration, _ingestion: &Ingestion, task: &str) -> Result<()> {
    let Some(noted) = recall(host, task)? else { return Ok(()) };
    let client = Client::new(host, configuration);
    let job = match noted.job {
        Some(job) => Some(job),
        None => newest(&client, &noted.connection, "sync")?.map(|job| job.job_id).filter(|job| *job > noted.before),
    };
    if let Some(job) = job {
        let is_running = client.find::<Job>(&format!("/jobs/{job}"))?.is_some_and(|job| !is_final(&job.status));
        if is_running {
            match client.delete(&format!("/jobs/{job}")) {
                // It ended meanwhile.
                Ok(()) | Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    host.forget(&bucket(task))
}

fn told(error: &Error) -> String {
    match error {
        Error::InvalidInput(wrong) => wrong.message.clone(),
        Error::Unavailable(away) => away.message.clone(),
        Error::Unauthenticated(message)
        | Error::Forbidden(message)
        | Error::NotFound(message)
        | Error::Conflict(message)
        | Error::Unsupported(message)
        | Error::Internal(message) => message.clone(),
    }
}
