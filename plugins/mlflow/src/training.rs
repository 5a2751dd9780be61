//! Training as steps: the script's process or Job is started, followed to its end, and its run is looked up.
//!
//! The end is stored as a step of its own before anything is concluded from it: the process's folder, or the Job, is removed
//! with the conclusion, and a step that is repeated after a crash must not find it gone.
//!
//! Which of both it is stands in the state: a training that is under way ends where it began, whatever the binding says now.

use asgard_sdk::context::Level;
use asgard_sdk::processes::{Ending, ProcessStatus};
use asgard_sdk::training::{Outcome, Request, Status, Step};
use asgard_sdk::{Error, Progress, Result, Running, decode, encode};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::configuration::{Configuration, Runner};
use crate::followed::{Followed, Look};
use crate::host::Host;
use crate::wire::Run;
use crate::{experiments, output, process, runs};

/// How long a server that is away is waited for once the script has ended: as long as one takes to start again.
const TIDIED_WITHIN_MS: u64 = 120_000;

/// Until it is looked for again.
const AGAIN_MS: u32 = 2000;

/// What a step knows of those before it.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    deployment: String,
    script: String,
    experiment: String,
    requirements: Vec<String>,
    timeout_ms: u64,
    started_ms: u64,
    /// Of the output that is in the log.
    offset: u64,
    end: Option<End>,
    /// The Job, where the script is none of the host's processes.
    #[serde(default)]
    job: Option<Followed>,
    /// When its end was seen.
    #[serde(default)]
    ended_ms: u64,
}

/// How the script ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) how: How,
    /// Whether the script itself had begun, or its requirements were still being installed.
    pub(crate) script_began: bool,
    pub(crate) last_words: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    Exited(i32),
    Timeout,
    Stopped,
    Signal,
    OutOfMemory,
    /// It is another host's process, from which this one cannot learn.
    Elsewhere,
    /// It never ran; the words are the cluster's.
    NotRun {
        field: Option<String>,
        why: String,
    },
}

/// Runs training scripts against one MLflow server.
pub struct Trainer<'a> {
    host: &'a dyn Host,
    configuration: &'a Configuration,
    client: Client<'a>,
}

impl<'a> Trainer<'a> {
    /// A trainer for the binding's configuration.
    ///
    /// # Errors
    /// `invalid-input` when the tracking URI is none.
    pub fn new(host: &'a dyn Host, configuration: &'a Configuration) -> Result<Self> {
        Ok(Self { host, configuration, client: Client::new(host, configuration)? })
    }

    /// Makes the experiment, which shows that the server answers, and starts the script.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer; those of the process's start.
    pub fn start(&self, request: Request) -> Result<Step> {
        let experiment = experiments::ensure(&self.client, &request.experiment)?;
        let job = match self.configuration.runner {
            Runner::Process => {
                self.host.start(process::KEY, &process::spec(self.host, &request, self.configuration)?)?;
                None
            }
            Runner::Kubernetes => Some(Followed::start(self.host, &request, self.configuration)?),
        };
        let state = State {
            deployment: request.deployment_id,
            script: request.script_name,
            experiment,
            requirements: request.requirements,
            timeout_ms: request.timeout_ms,
            started_ms: self.host.now_ms(),
            offset: 0,
            end: None,
            job,
            ended_ms: 0,
        };
        let message = format!("started `{}`", state.script);
        running(&state, message, poll_after_ms(0))
    }

    /// Follows the script, or concludes.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer; those of the host.
    pub fn advance(&self, state: &[u8]) -> Result<Step> {
        let state: State = decode(state)?;
        match (&state.end, &state.job) {
            (Some(end), _) => self.conclude(&state, end),
            (None, Some(_)) => self.follow_job(state),
            (None, None) => self.follow(state),
        }
    }

    fn follow(&self, mut state: State) -> Result<Step> {
        // The status first: what the process wrote before its end is then in the output that is read after.
        let how = match self.host.status(process::KEY) {
            Ok(ProcessStatus::Running) => None,
            Ok(ProcessStatus::Exited(status)) => Some(How::Exited(status)),
            Ok(ProcessStatus::Ended(Ending::Timeout)) => Some(How::Timeout),
            Ok(ProcessStatus::Ended(Ending::Stopped)) => Some(How::Stopped),
            Ok(ProcessStatus::Ended(Ending::Signal)) => Some(How::Signal),
            // It may have ended well, or run still: a second one would make a second run.
            Err(Error::NotFound(_)) => {
                state.ended_ms = self.host.now_ms();
                state.end = Some(End { how: How::Elsewhere, script_began: true, last_words: String::new() });
                return running(&state, format!("`{}` ran on another host", state.script), 0);
            }
            Err(error) => return Err(error),
        };
        let seen = output::follow(self.host, process::KEY, state.offset, how.is_some())?;
        state.offset = seen.offset;
        let message = seen.last_line.unwrap_or_else(|| format!("running `{}`", state.script));
        if seen.grew && how.is_some() {
            return running(&state, message, 0);
        }
        let Some(how) = how else {
            let elapsed = self.host.now_ms().saturating_sub(state.started_ms);
            return running(&state, message, poll_after_ms(elapsed));
        };
        state.ended_ms = self.host.now_ms();
        state.end = Some(End {
            how,
            script_began: self.host.read_file(process::KEY, process::STARTED).is_ok(),
            last_words: output::last_words(self.host, process::KEY, state.offset)?,
        });
        running(&state, message, 0)
    }

    fn follow_job(&self, mut state: State) -> Result<Step> {
        let Some(job) = &mut state.job else { return self.follow(state) };
        match job.look(self.host, state.timeout_ms)? {
            Look::Goes(message) => {
                let elapsed = self.host.now_ms().saturating_sub(state.started_ms);
                // Each look reads the log anew, and a pod takes seconds to start.
                running(&state, message, poll_after_ms(elapsed).max(1000))
            }
            Look::Ended(end) => {
                state.ended_ms = self.host.now_ms();
                state.end = Some(end);
                running(&state, format!("`{}` has ended", state.script), 0)
            }
        }
    }

    fn conclude(&self, state: &State, end: &End) -> Result<Step> {
        let status = match end.how {
            How::Exited(0) => self.outcome(state)?,
            _ => {
                if let Err(error) = self.close_runs(state) {
                    if self.waits_for(state, &error) {
                        return running(state, "waiting for MLflow, to close the script's run".to_owned(), AGAIN_MS);
                    }
                    self.warn_of_open_run(&error);
                }
                Status::Failed(failure(state, end))
            }
        };
        if let Err(error) = self.remove(state) {
            if self.waits_for(state, &error) {
                return running(state, "waiting to remove what the script ran in".to_owned(), AGAIN_MS);
            }
            self.host.log(Level::Warn, &format!("what the script ran in stays: {error:?}"));
        }
        Ok(Step { state: encode(state)?, status })
    }

    /// Whether who is away is given time to come back, so that nothing is left behind: what the training came to is no worse without.
    fn waits_for(&self, state: &State, error: &Error) -> bool {
        matches!(error, Error::Unavailable(_)) && self.host.now_ms().saturating_sub(state.ended_ms) < TIDIED_WITHIN_MS
    }

    fn remove(&self, state: &State) -> Result<()> {
        match &state.job {
            Some(job) => job.remove(self.host),
            None => self.host.remove(process::KEY),
        }
    }

    fn outcome(&self, state: &State) -> Result<Status> {
        let found = self.runs(state)?;
        Ok(match runs::with_model(&self.client, &found)? {
            Some((run, model_uri)) => Status::Succeeded(Outcome {
                run_id: run.info.run_id.clone(),
                model_uri,
                metrics: run.metrics(&self.client),
            }),
            None => Status::Failed(runs::no_model(&state.script, &found)),
        })
    }

    /// What the script left in MLflow, now that it has ended.
    fn runs(&self, state: &State) -> Result<Vec<Run>> {
        let found = runs::of_deployment(&self.client, &state.experiment, &state.deployment)?;
        runs::without_doubles(&self.client, found)
    }

    /// Ends the script and all that it started.
    ///
    /// # Errors
    /// Those of the host.
    pub fn cancel(&self, state: &[u8]) -> Result<()> {
        let state: State = decode(state)?;
        self.remove(&state)?;
        // A run that stays open in MLflow is a blemish, not a reason to fail otherwise.
        if let Err(error) = self.close_runs(&state) {
            self.warn_of_open_run(&error);
        }
        Ok(())
    }

    fn close_runs(&self, state: &State) -> Result<()> {
        runs::close(&self.client, &self.runs(state)?)
    }

    fn warn_of_open_run(&self, error: &Error) {
        self.host.log(Level::Warn, &format!("the script's run stays open in MLflow: {error:?}"));
    }
}

fn running(state: &State, message: String, poll_after_ms: u32) -> Result<Step> {
    let progress = Progress { message, fraction: None };
    Ok(Step { state: encode(state)?, status: Status::Running(Running { progress, poll_after_ms }) })
}

/// Short scripts are waited for closely; a look at one that runs for minutes may be a second late.
fn poll_after_ms(elapsed_ms: u64) -> u32 {
    match elapsed_ms {
        0..20_000 => 100,
        20_000..120_000 => 500,
        _ => 2000,
    }
}

/// Why the script failed, in words and with its own.
fn failure(state: &State, end: &End) -> Error {
    let script = &state.script;
    if !end.script_began && matches!(end.how, How::Exited(_)) {
        return Error::invalid("requirements", end.last_words.clone());
    }
    let what = if end.script_began { format!("`{script}`") } else { "installing its requirements".to_owned() };
    let (field, message) = match &end.how {
        How::NotRun { field: Some(field), why } => return Error::invalid(field.clone(), why.clone()),
        How::NotRun { field: None, why } => return Error::unavailable(why.clone()),
        How::Elsewhere => {
            return Error::Conflict(format!(
                "{what} ran as a process of another host, from which this one has taken the deployment over: how it ended is not known, \
                 and it is not run a second time. Deploy again; with `runner = \"kubernetes\"` any host follows a script"
            ));
        }
        How::OutOfMemory => {
            ("script_content", format!("{what} needed more memory than the limit of its container and was ended"))
        }
        How::Exited(status) => ("script_content", format!("{what} exited with status {status}")),
        How::Timeout => (
            "timeout",
            format!(
                "{what} ran past its timeout of {} s and was ended, with all that it had started: raise `timeout`",
                state.timeout_ms / 1000
            ),
        ),
        How::Stopped => ("script_content", format!("{what} was stopped")),
        How::Signal => {
            ("script_content", format!("{what} was ended by a signal: it ran out of memory, or crashed in native code"))
        }
    };
    if end.last_words.is_empty() {
        return Error::invalid(field, format!("{message}, without a word"));
    }
    Error::invalid(field, format!("{message}. Its last lines:\n{}", end.last_words))
}
