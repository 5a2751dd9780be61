//! A script's Job, from step to step.

use asgard_sdk::context::Level;
use asgard_sdk::training::Request;
use asgard_sdk::{Error, Result};
use asgard_workloads::job::{Job, State, patience_ms};
use asgard_workloads::logs::Seen;
use asgard_workloads::pods::{self, Ending, Trouble};
use serde::{Deserialize, Serialize};

use crate::configuration::Configuration;
use crate::host::Host;
use crate::job::{self, CONTAINER, STARTED};
use crate::training::{End, How};

/// What is known of the Job; part of a step's state.
#[derive(Debug, Serialize, Deserialize)]
pub struct Followed {
    namespace: String,
    name: String,
    start_timeout_ms: u64,
    started_ms: u64,
    /// When the script's container was first seen at work: its timeout counts from then.
    begun_ms: Option<u64>,
    /// Since when something keeps the pod from running.
    held_up_ms: Option<u64>,
    seen: Seen,
}

/// What a look at the Job found.
pub(crate) enum Look {
    Goes(String),
    Ended(End),
}

impl Followed {
    /// Makes the Job.
    ///
    /// # Errors
    /// `invalid-input` for what does not fit through the cluster; those of the cluster and the storage.
    pub fn start(host: &dyn Host, request: &Request, configuration: &Configuration) -> Result<Self> {
        let cluster = configuration.kubernetes()?;
        let name = job::name(&request.deployment_id);
        Job { namespace: &cluster.namespace, name: &name }.start(host, job::plan(host, request, configuration)?)?;
        host.log(Level::Info, &format!("made Job `{name}` in namespace `{}`", cluster.namespace));
        Ok(Self {
            namespace: cluster.namespace.clone(),
            name,
            start_timeout_ms: cluster.start_timeout_seconds * 1000,
            started_ms: host.now_ms(),
            begun_ms: None,
            held_up_ms: None,
            seen: Seen::default(),
        })
    }

    pub(crate) fn look(&mut self, host: &dyn Host, timeout_ms: u64) -> Result<Look> {
        let now = host.now_ms();
        match self.job().look(host, CONTAINER)? {
            State::Preparing { words, trouble } => self.prepare(host, now, words, trouble),
            State::Running { pod } => {
                let begun = *self.begun_ms.get_or_insert(now);
                let last = self.read(host, &pod, false)?;
                if now.saturating_sub(begun) > timeout_ms {
                    return Ok(self.ended(How::Timeout, None));
                }
                Ok(Look::Goes(last.unwrap_or_else(|| "running the script".to_owned())))
            }
            State::Ended { pod, ending, failure } => {
                if let Some(pod) = &pod {
                    self.read(host, pod, true)?;
                }
                let how = match (failure.as_deref(), &ending) {
                    (Some("DeadlineExceeded"), _) => How::Timeout,
                    (None, _) => How::Exited(0),
                    (Some(_), Some(ending)) => how(ending),
                    (Some(_), None) => How::Stopped,
                };
                Ok(self.ended(how, ending.as_ref()))
            }
            State::Gone => Ok(self.ended(How::Stopped, None)),
        }
    }

    fn prepare(&mut self, host: &dyn Host, now: u64, words: String, trouble: Option<Trouble>) -> Result<Look> {
        let Some(trouble) = trouble else {
            self.held_up_ms = None;
            if now.saturating_sub(self.started_ms) < self.start_timeout_ms {
                return Ok(Look::Goes(words));
            }
            return self.never_began(host, words);
        };
        let since = *self.held_up_ms.get_or_insert(now);
        if now.saturating_sub(since) < patience_ms(&trouble, self.start_timeout_ms) {
            return Ok(Look::Goes(words));
        }
        let field = (trouble.kind == pods::Kind::Image).then(|| "configuration.kubernetes.image".to_owned());
        let why = match trouble.kind {
            pods::Kind::Node => format!("no node of the cluster takes the script's pod: {}", trouble.words),
            _ => trouble.words,
        };
        Ok(self.ended(How::NotRun { field, why }, None))
    }

    /// Nothing that its status tells, so its events.
    fn never_began(&self, host: &dyn Host, words: String) -> Result<Look> {
        let mut told = pods::warnings(host, "batch/v1", "Job", &self.namespace, &self.name);
        let selector = format!("batch.kubernetes.io/job-name={}", self.name);
        for pod in pods::list(host, &self.namespace, &selector)?.iter().take(1) {
            told.extend(pods::warnings(host, "v1", "Pod", &self.namespace, pods::name(pod)));
        }
        let told = told.pop().unwrap_or(words);
        let seconds = self.start_timeout_ms / 1000;
        let why = format!("the script's pod did not start within {seconds} s: {told}");
        let field = Some("configuration.kubernetes.start_timeout_seconds".to_owned());
        Ok(self.ended(How::NotRun { field, why }, None))
    }

    fn read(&mut self, host: &dyn Host, pod: &str, ended: bool) -> Result<Option<String>> {
        let text = match self.job().log(host, pod, CONTAINER) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(None),
            // The script goes on: its lines come with the next look.
            Err(Error::Unavailable(_)) if !ended => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut log = |level, line: &str| host.log(level, line);
        Ok(self.seen.follow(pod, &text, ended, &mut log))
    }

    fn ended(&self, how: How, ending: Option<&Ending>) -> Look {
        // A pod that is gone cannot say; that it ran is more likely than that it installed.
        let script_began = ending.is_none_or(|ending| ending.message.contains(STARTED));
        Look::Ended(End { how, script_began, last_words: self.seen.last_words() })
    }

    pub(crate) fn remove(&self, host: &dyn Host) -> Result<()> {
        self.job().delete(host)
    }

    fn job(&self) -> Job<'_> {
        Job { namespace: &self.namespace, name: &self.name }
    }
}

fn how(ending: &Ending) -> How {
    match ending.exit_code {
        _ if ending.reason == "OOMKilled" => How::OutOfMemory,
        code if code > 128 => How::Signal,
        code => How::Exited(i32::try_from(code).unwrap_or(-1)),
    }
}
