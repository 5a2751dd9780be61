//! The steps of a run, whichever way it goes.

use asgard_sdk::context::Level;
use asgard_sdk::json::{Map, Value, json};
use asgard_sdk::transform::{Compute, Outcome, QueryPlan, Request, SilverRun, Status, Step};
use asgard_sdk::{Error, Progress, Result, Running, TableName, decode, encode};
use serde::{Deserialize, Serialize};

use crate::configuration::{Configuration, Mode};
use crate::connect::{self, Connect};
use crate::host::Host;
use crate::operator::{self, Operator};
use crate::report::{End, Report};
use crate::request::JobRequest;
use crate::standalone::{self, Standalone};

/// What a step knows of those before it. The way is the one that the run began with, whatever the binding says since.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Connect(connect::State),
    Standalone(standalone::State),
    Operator(operator::State),
}

/// What is common to all ways.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    pub request: JobRequest,
    pub compute: Resources,
    pub started_ms: u64,
    pub report: Report,
}

/// The request's compute, in a form that can be stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resources {
    pub executor_instances: u32,
    pub executor_cores: u32,
    pub executor_memory: String,
    pub driver_cores: u32,
    pub driver_memory: String,
}

impl From<Compute> for Resources {
    fn from(compute: Compute) -> Self {
        Self {
            executor_instances: compute.executor_instances,
            executor_cores: compute.executor_cores,
            executor_memory: compute.executor_memory,
            driver_cores: compute.driver_cores,
            driver_memory: compute.driver_memory,
        }
    }
}

/// A step of a way.
pub struct Taken<S> {
    pub state: S,
    pub status: Status,
    /// The backend's own fields of the step's details.
    pub details: Map<String, Value>,
}

/// Silver runs by one binding.
pub struct Runs<'a> {
    host: &'a dyn Host,
    configuration: &'a Configuration,
}

impl<'a> Runs<'a> {
    /// Runs for the binding's configuration.
    pub fn new(host: &'a dyn Host, configuration: &'a Configuration) -> Self {
        Self { host, configuration }
    }

    /// Spark plans when it runs.
    ///
    /// # Errors
    /// `invalid-input` where the binding lacks what its way needs; `unsupported` otherwise.
    pub fn plan(&self, request: &Request) -> Result<QueryPlan> {
        let Request::Silver(run) = request else { return Err(no_gold()) };
        self.job(run.clone())?;
        Err(Error::Unsupported("Spark plans a statement when it runs it".to_owned()))
    }

    /// Reaches the backend, as far as it can be asked without running a job.
    ///
    /// # Errors
    /// `invalid-input` where the binding lacks what its way needs; `unsupported` for Spark Connect, which speaks to its own clients
    /// only; those of the backend.
    pub fn check(&self) -> Result<String> {
        match self.configuration.mode {
            Mode::Connect => {
                self.connect().check()?;
                Err(Error::Unsupported("a Spark Connect server is reached by runs alone: it was not asked".to_owned()))
            }
            Mode::Standalone => self.standalone().reach(),
            Mode::Operator => self.operator().reach(),
        }
    }

    /// Starts the job program.
    ///
    /// # Errors
    /// `invalid-input` where the binding lacks what its way needs; those of the backend.
    pub fn start(&self, request: Request) -> Result<Step> {
        let Request::Silver(run) = request else { return Err(no_gold()) };
        let job = self.job(run)?;
        let target = job.request.target_name();
        let step = match self.configuration.mode {
            Mode::Connect => step(self.connect().start(job)?, State::Connect),
            Mode::Standalone => step(self.standalone().start(job)?, State::Standalone),
            Mode::Operator => step(self.operator().start(job)?, State::Operator),
        }?;
        self.host.event("Normal", "Submitted", &format!("{target} by {}", self.configuration.mode_name()));
        Ok(step)
    }

    /// Follows the job program, or concludes.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn advance(&self, state: &[u8]) -> Result<Step> {
        match decode(state)? {
            State::Connect(state) => step(self.connect().advance(state)?, State::Connect),
            State::Standalone(state) => step(self.standalone().advance(state)?, State::Standalone),
            State::Operator(state) => step(self.operator().advance(state)?, State::Operator),
        }
    }

    /// Ends the job program.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn cancel(&self, state: &[u8]) -> Result<()> {
        match decode(state)? {
            State::Connect(state) => self.connect().cancel(&state),
            State::Standalone(state) => self.standalone().cancel(&state),
            State::Operator(state) => self.operator().cancel(&state),
        }
    }

    /// Models are another role's.
    ///
    /// # Errors
    /// `unsupported`.
    pub fn drop(&self, _target: &TableName) -> Result<()> {
        Err(no_gold())
    }

    fn job(&self, run: SilverRun) -> Result<Job> {
        self.configuration.secrets()?;
        match self.configuration.mode {
            Mode::Connect => self.connect().check()?,
            Mode::Standalone => self.standalone().check()?,
            Mode::Operator => self.operator().check()?,
        }
        let compute = run.compute.clone().into();
        let request = JobRequest::new(run, &self.host.task_id(), self.configuration)?;
        Ok(Job { request, compute, started_ms: self.host.now_ms(), report: Report::default() })
    }

    fn connect(&self) -> Connect<'a> {
        Connect::new(self.host, self.configuration)
    }

    fn standalone(&self) -> Standalone<'a> {
        Standalone::new(self.host, self.configuration)
    }

    fn operator(&self) -> Operator<'a> {
        Operator::new(self.host, self.configuration)
    }
}

fn no_gold() -> Error {
    Error::Unsupported("`spark` fills the role `silver`: gold models are `sql`'s or `dbt-trino`'s".to_owned())
}

fn step<S>(taken: Taken<S>, wrap: impl FnOnce(S) -> State) -> Result<Step> {
    let details = Value::Object(taken.details).to_string();
    Ok(Step { state: encode(&wrap(taken.state))?, status: taken.status, details })
}

/// Still running.
pub fn running(message: String, poll_after_ms: u32) -> Status {
    Status::Running(Running { progress: Progress { message, fraction: None }, poll_after_ms })
}

/// Short runs are waited for closely; a look at one that runs for minutes may be some seconds late.
pub fn poll_after_ms(elapsed_ms: u64) -> u32 {
    match elapsed_ms {
        0..30_000 => 500,
        30_000..300_000 => 2000,
        _ => 5000,
    }
}

/// The step's last status, with its event and line in the log.
pub fn concluded(host: &dyn Host, job: &Job, lost: impl FnOnce() -> Error) -> Status {
    let target = job.request.target_name();
    let error = match &job.report.end {
        Some(End::Done(done)) => {
            let outcome = Outcome::from(done);
            let message = format!(
                "read {} rows, wrote {} rows ({} bytes) to {target}, which has {} now",
                outcome.rows_read, outcome.rows_written, outcome.bytes_written, outcome.total_rows
            );
            host.event("Normal", "Completed", &message);
            host.log(Level::Info, &message);
            return Status::Succeeded(outcome);
        }
        Some(End::Failed(failed)) => Error::from(failed),
        None => lost(),
    };
    host.log(Level::Error, &format!("{target} is left as it was: {}", error.words()));
    Status::Failed(error)
}

/// Details that all ways tell.
pub fn details(job: &Job, full_status: Value) -> Map<String, Value> {
    let mut details = Map::new();
    details.insert("engine".to_owned(), json!("spark"));
    if let Some(version) = job.report.spark_version() {
        details.insert("spark_version".to_owned(), json!(version));
    }
    // The page goes with the driver.
    if let (Some(ui), None) = (job.report.ui(), &job.report.end) {
        details.insert("ui".to_owned(), json!(ui));
    }
    details.insert("full_status".to_owned(), full_status);
    details
}
