//! A standalone cluster: each run is a submission to the master's REST server, its driver a process on a worker.
//!
//! The server gives a driver its identifier and knows no name, so a submission that is repeated makes a second driver. The
//! identifier is kept as an object of the task beside its state, which leaves the moment between the two requests; a driver
//! that is lost in it commits nothing that the other has.

pub mod client;

use asgard_sdk::context::Level;
use asgard_sdk::json::json;
use asgard_sdk::transform::Status;
use asgard_sdk::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::configuration::Configuration;
use crate::host::Host;
use crate::output;
use crate::report::Report;
use crate::run::{Job, Taken, concluded, details, poll_after_ms, running};
use client::{Answer, Client, Submission};

/// An operating system takes 128 KiB as one argument of a program, and 2 MiB of all of them.
const ARGUMENT: usize = 96 << 10;
const ARGUMENTS: usize = 1536 << 10;

/// What a step knows of those before it.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    job: Job,
    /// None: to be submitted.
    driver: Option<String>,
    submitted_ms: u64,
    /// Of the outputs that are in the log.
    stdout: u64,
    stderr: u64,
    /// The worker's page, once the driver has a worker.
    worker: Option<String>,
    executors: u64,
    last_words: String,
    /// The reason why the output cannot be read was told.
    unread: bool,
    status: Answer,
}

/// Runs on one cluster.
pub struct Standalone<'a> {
    host: &'a dyn Host,
    configuration: &'a Configuration,
}

impl<'a> Standalone<'a> {
    /// For the binding's configuration.
    pub fn new(host: &'a dyn Host, configuration: &'a Configuration) -> Self {
        Self { host, configuration }
    }

    fn client(&self) -> Result<Client<'a>> {
        Client::new(self.host, self.configuration)
    }

    /// Whether the configuration has what it takes.
    ///
    /// # Errors
    /// `invalid-input` with the field.
    pub fn check(&self) -> Result<()> {
        self.client()?;
        self.configuration.needed("master", &self.configuration.master)?;
        let program = self.configuration.needed("job_program", &self.configuration.job_program)?;
        if program.ends_with(".py") {
            return Ok(());
        }
        let message = format!("`{program}` is no Python file: expected the place of `job.py`");
        Err(Error::invalid("configuration.job_program", message))
    }

    /// Reaches the master, and finds workers.
    ///
    /// # Errors
    /// As [`check`](Self::check); `unavailable` when the master does not answer or has no workers.
    pub fn reach(&self) -> Result<String> {
        self.check()?;
        match self.client()?.cluster()?.workers.len() {
            0 => Err(Error::unavailable("the Spark master answers, and has no workers: start some")),
            workers => Ok(format!("the Spark master answers and has {workers} workers")),
        }
    }

    /// Submits the driver.
    ///
    /// # Errors
    /// `unavailable` when the master does not answer.
    pub fn start(&self, job: Job) -> Result<Taken<State>> {
        let mut state = State {
            job,
            driver: None,
            submitted_ms: self.host.now_ms(),
            stdout: 0,
            stderr: 0,
            worker: None,
            executors: 0,
            last_words: String::new(),
            unread: false,
            status: Answer::default(),
        };
        self.submit(&mut state)?;
        Ok(taken(state, running("submitted".to_owned(), poll_after_ms(0))))
    }

    fn submit(&self, state: &mut State) -> Result<()> {
        let noted = match self.host.get_object(&self.note()) {
            Ok(driver) => String::from_utf8(driver).ok(),
            Err(Error::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        let driver = match noted {
            Some(driver) => driver,
            None => {
                let driver = self.client()?.create(&self.submission(&state.job)?)?;
                self.host.put_object(&self.note(), driver.as_bytes())?;
                self.host.log(Level::Info, &format!("submitted as {driver}"));
                driver
            }
        };
        state.driver = Some(driver);
        Ok(())
    }

    fn note(&self) -> String {
        format!("submissions/{}", self.host.task_id())
    }

    fn submission(&self, job: &Job) -> Result<Submission> {
        let master = self.configuration.needed("master", &self.configuration.master)?;
        let compute = &job.compute;
        let cores = compute.executor_instances.saturating_mul(compute.executor_cores);
        let properties = [
            ("spark.master", master.to_owned()),
            ("spark.app.name", job.request.name.clone()),
            ("spark.submit.deployMode", "client".to_owned()),
            ("spark.driver.supervise", "false".to_owned()),
            ("spark.driver.cores", compute.driver_cores.to_string()),
            ("spark.driver.memory", compute.driver_memory.clone()),
            ("spark.executor.cores", compute.executor_cores.to_string()),
            ("spark.executor.memory", compute.executor_memory.clone()),
            ("spark.cores.max", cores.to_string()),
        ];
        let properties: Vec<(String, String)> = properties
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            // What Spark has to know before its session is there, such as `spark.jars`.
            .chain(self.configuration.spark_conf.clone())
            .collect();
        let mut arguments: Vec<String> =
            properties.iter().flat_map(|(name, value)| ["--conf".to_owned(), format!("{name}={value}")]).collect();
        arguments.push(self.configuration.needed("job_program", &self.configuration.job_program)?.to_owned());
        arguments.extend(parts(&job.request.to_json()?)?);
        Ok(Submission {
            action: "CreateSubmissionRequest",
            client_spark_version: self.configuration.spark_version.clone(),
            app_resource: String::new(),
            main_class: "org.apache.spark.deploy.SparkSubmit",
            app_args: arguments,
            spark_properties: properties.into_iter().collect(),
            // The host puts the secrets in.
            environment_variables: self
                .configuration
                .secrets()?
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .chain([("PYTHONUNBUFFERED".to_owned(), "1".to_owned())])
                .collect(),
        })
    }

    /// Follows the driver, or concludes.
    ///
    /// # Errors
    /// `unavailable` when the master does not answer.
    pub fn advance(&self, mut state: State) -> Result<Taken<State>> {
        let Some(driver) = state.driver.clone() else {
            self.submit(&mut state)?;
            return Ok(taken(state, running("submitted again".to_owned(), poll_after_ms(0))));
        };
        let client = self.client()?;
        let Some(status) = client.status(&driver)? else {
            self.host.event(
                "Warning",
                "Forgotten",
                &format!("the Spark master does not know {driver} any more: submitted again"),
            );
            return self.again(state, running("the master has forgotten the driver".to_owned(), 0));
        };
        let word = status.driver_state.clone().unwrap_or_default();
        state.status = status;
        let grew = self.follow(&client, &mut state, &driver)?;
        let ended = matches!(word.as_str(), "FINISHED" | "FAILED" | "ERROR" | "KILLED");
        if ended && grew {
            return Ok(taken(state, running("reading the driver's last words".to_owned(), 0)));
        }
        if ended {
            return self.conclude(state, &driver, &word);
        }
        let elapsed = self.host.now_ms().saturating_sub(state.submitted_ms);
        if let Some(error) = self.overdue(&state, &word, elapsed) {
            client.kill(&driver)?;
            self.host.delete_object(&self.note())?;
            return Ok(taken(state, Status::Failed(error)));
        }
        let message = match word.as_str() {
            "SUBMITTED" => "waiting for a worker with room for the driver".to_owned(),
            word => format!("driver {}", word.to_ascii_lowercase()),
        };
        Ok(taken(state, running(message, poll_after_ms(elapsed))))
    }

    /// Reads on in both outputs; whether there was anything new.
    fn follow(&self, client: &Client, state: &mut State, driver: &str) -> Result<bool> {
        let Some(worker_id) = state.status.worker_id.clone() else { return Ok(false) };
        let ended = state.status.driver_state.as_deref() != Some("RUNNING");
        let read = || -> Result<(String, u64, [client::Part; 2])> {
            let cluster = client.cluster()?;
            let worker = cluster.workers.into_iter().find(|worker| worker.id == worker_id);
            let worker = worker.map(|worker| worker.webuiaddress).or_else(|| state.worker.clone());
            let worker =
                worker.ok_or_else(|| Error::NotFound(format!("the master's page has no worker {worker_id}")))?;
            let name = &state.job.request.name;
            let cores = cluster.activeapps.iter().find(|app| app.name == *name).map_or(0, |app| app.cores);
            let stdout = client.output(&worker, driver, "stdout", state.stdout)?;
            let stderr = client.output(&worker, driver, "stderr", state.stderr)?;
            Ok((worker, cores, [stdout, stderr]))
        };
        let (worker, cores, [stdout, stderr]) = match read() {
            Ok(read) => read,
            Err(error) if state.unread => return if ended { Err(error) } else { Ok(false) },
            Err(error) => {
                state.unread = true;
                let message = format!("the driver's output cannot be read: {}", error.words());
                self.host.event("Warning", "OutputUnread", &message);
                self.host.log(Level::Warn, &message);
                return Ok(false);
            }
        };
        state.worker = Some(worker);
        state.executors = (cores / u64::from(state.job.compute.executor_cores.max(1))).max(state.executors);
        let report = &mut state.job.report;
        let out = output::take(self.host, report, &stdout.text, ended) as u64;
        let err = output::take(self.host, report, &stderr.text, ended) as u64;
        (state.stdout, state.stderr) = (stdout.start + out, stderr.start + err);
        if err > 0 {
            state.last_words = output::last_words(&String::from_utf8_lossy(&stderr.text));
        }
        Ok(out + err > 0)
    }

    fn overdue(&self, state: &State, word: &str, elapsed_ms: u64) -> Option<Error> {
        let (start, all) = (self.configuration.start_seconds, self.configuration.timeout_seconds);
        let compute = &state.job.compute;
        if word == "SUBMITTED" && elapsed_ms > start.saturating_mul(1000) {
            return Some(Error::internal(format!(
                "no worker had room for the driver ({} cores, {}) within {start} s: ask for less, or raise `start_seconds` of the binding",
                compute.driver_cores, compute.driver_memory
            )));
        }
        (elapsed_ms > all.saturating_mul(1000)).then(|| {
            Error::internal(format!(
                "the run took longer than {all} s and was ended: raise `timeout_seconds` of the binding"
            ))
        })
    }

    fn conclude(&self, state: State, driver: &str, word: &str) -> Result<Taken<State>> {
        if state.job.report.end.is_none() && state.unread && word == "FINISHED" {
            return Err(Error::unavailable(format!(
                "{driver} has finished, and what it said cannot be read on its worker's page: grant `http` to master and workers"
            )));
        }
        let status = concluded(self.host, &state.job, || {
            let message = state.status.message.as_deref().map(|message| format!(" ({message})")).unwrap_or_default();
            Error::internal(format!("{driver} ended as {word}{message}. Its last lines:\n{}", state.last_words))
        });
        self.host.delete_object(&self.note())?;
        if matches!(status, Status::Failed(Error::Unavailable(_))) {
            return self.again(state, status);
        }
        Ok(taken(state, status))
    }

    /// The next step submits another driver.
    fn again(&self, state: State, status: Status) -> Result<Taken<State>> {
        self.host.delete_object(&self.note())?;
        let mut job = state.job;
        job.report = Report::default();
        let fresh = State { driver: None, stdout: 0, stderr: 0, worker: None, unread: false, job, ..state };
        Ok(taken(fresh, status))
    }

    /// Ends the driver.
    ///
    /// # Errors
    /// `unavailable` when the master does not answer.
    pub fn cancel(&self, state: &State) -> Result<()> {
        if let Some(driver) = &state.driver {
            self.client()?.kill(driver)?;
        }
        self.host.delete_object(&self.note())
    }
}

fn taken(state: State, status: Status) -> Taken<State> {
    let mut details = details(&state.job, json!(state.status));
    if let (None, Some(version)) = (state.job.report.spark_version(), &state.status.server_spark_version) {
        details.insert("spark_version".to_owned(), json!(version));
    }
    details.insert("executor_count".to_owned(), json!(state.executors));
    Taken { state, status, details }
}

/// A request in arguments that an operating system takes.
fn parts(request: &str) -> Result<Vec<String>> {
    if request.len() > ARGUMENTS {
        let message = format!("the run has {} bytes, and a standalone cluster takes {ARGUMENTS}", request.len());
        return Err(Error::invalid("sql", message));
    }
    let (mut parts, mut rest) = (Vec::new(), request);
    while !rest.is_empty() {
        let mut end = rest.len().min(ARGUMENT);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (part, after) = rest.split_at(end);
        parts.push(part.to_owned());
        rest = after;
    }
    Ok(parts)
}
