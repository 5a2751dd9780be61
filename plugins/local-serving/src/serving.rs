//! Serving as steps: the service is ensured, watched until it answers, and given back when it does not.

use asgard_sdk::context::Level;
use asgard_sdk::services::ServiceState;
use asgard_sdk::serving::{Outcome, Request, Status, Step};
use asgard_sdk::{Error, Progress, Result, Running, decode, encode};
use serde::{Deserialize, Serialize};

use crate::configuration::Configuration;
use crate::host::Host;
use crate::record::{Deployed, Record};
use crate::service;

/// What a step knows of those before it, and what finds the served model again later.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    service: String,
    deployment: String,
    started_ms: u64,
}

/// Serves models on this machine.
pub struct Server<'a> {
    host: &'a dyn Host,
    configuration: &'a Configuration,
}

impl<'a> Server<'a> {
    /// A server for the binding's configuration.
    pub fn new(host: &'a dyn Host, configuration: &'a Configuration) -> Self {
        Self { host, configuration }
    }

    /// Asks for a service that nobody made, as one that serves a model would be asked for.
    ///
    /// # Errors
    /// `forbidden` without the grant.
    pub fn check(&self) -> Result<String> {
        match self.host.status("asgard-check") {
            Ok(_) | Err(Error::NotFound(_)) => Ok("models are served by services of this host".to_owned()),
            Err(error) => Err(error),
        }
    }

    /// Starts the model's service, beside the one of an older version if there is one.
    ///
    /// # Errors
    /// `invalid-input` when the files are no MLflow model; those of the host.
    pub fn start(&self, request: Request) -> Result<Step> {
        if !request.model_files.iter().any(|(path, _)| path == "MLmodel") {
            return Err(Error::invalid(
                "model_files",
                "there is no `MLmodel` among the model's files: expected those that `mlflow.<flavour>.log_model` writes",
            ));
        }
        let wanted = Deployed::from(request);
        let state = State {
            service: service::name(&wanted.model),
            deployment: wanted.deployment.clone(),
            started_ms: self.host.now_ms(),
        };
        let before = Record::read(self.host, &state.service)?;
        let record = match before {
            // Repeated: what was there before is known already.
            Some(record) if record.current.deployment == wanted.deployment => record,
            // One that has not answered yet makes way, and hands on whom it would have given its place back to.
            Some(Record { previous: Some(answering), .. }) => Record { current: wanted, previous: Some(answering) },
            Some(Record { current, previous: None }) => Record { current: wanted, previous: Some(current) },
            None => Record { current: wanted, previous: None },
        };
        record.write(self.host, &state.service)?;
        self.host.ensure(&state.service, &service::spec(&record.current, self.configuration))?;
        let version = &record.current.version;
        self.host.log(Level::Info, &format!("starting service `{}` with version {version}", state.service));
        Ok(Step { state: encode(&state)?, status: starting(0) })
    }

    /// Looks whether the service answers.
    ///
    /// # Errors
    /// Those of the host.
    pub fn advance(&self, state: &[u8]) -> Result<Step> {
        let read: State = decode(state)?;
        let status = match self.owned(&read)? {
            Err(superseded) => Status::Failed(superseded),
            Ok(record) => self.settle(&read, record)?,
        };
        Ok(Step { state: state.to_vec(), status })
    }

    fn settle(&self, state: &State, record: Record) -> Result<Status> {
        let status = self.look(state)?;
        match &status {
            Status::Running(_) => {}
            Status::Succeeded(outcome) => {
                self.host.log(Level::Info, &format!("service `{}` answers at {}", state.service, outcome.url));
                if record.previous.is_some() {
                    Record { previous: None, ..record }.write(self.host, &state.service)?;
                }
            }
            Status::Failed(_) => self.give_back(state, record)?,
        }
        Ok(status)
    }

    fn look(&self, state: &State) -> Result<Status> {
        let status = self.host.status(&state.service)?;
        Ok(match status.state {
            ServiceState::Starting => starting(self.host.now_ms().saturating_sub(state.started_ms)),
            ServiceState::Ready => Status::Succeeded(Outcome { url: status.url, external_ip: None }),
            ServiceState::Failed(why) => {
                Status::Failed(Error::internal(format!("the model's service does not come up: {why}")))
            }
        })
    }

    /// Takes back a start that is under way.
    ///
    /// # Errors
    /// Those of the host.
    pub fn cancel(&self, state: &[u8]) -> Result<()> {
        let state: State = decode(state)?;
        match self.owned(&state)? {
            Ok(record) => self.give_back(&state, record),
            Err(_) => Ok(()),
        }
    }

    /// Whether the deployment's model still answers, and where.
    ///
    /// # Errors
    /// Those of the host.
    pub fn inspect(&self, state: &[u8]) -> Result<Status> {
        let state: State = decode(state)?;
        match self.owned(&state)? {
            Ok(_) => self.look(&state),
            Err(superseded) => Ok(Status::Failed(superseded)),
        }
    }

    /// Ends the deployment's model. One that a newer deployment has replaced has ended already.
    ///
    /// # Errors
    /// Those of the host.
    pub fn remove(&self, state: &[u8]) -> Result<()> {
        let state: State = decode(state)?;
        if self.owned(&state)?.is_ok() {
            self.end(&state.service)?;
        }
        Ok(())
    }

    /// The service's record if it is this deployment's, or else why it is not.
    fn owned(&self, state: &State) -> Result<std::result::Result<Record, Error>> {
        Ok(match Record::read(self.host, &state.service)? {
            Some(record) if record.current.deployment == state.deployment => Ok(record),
            Some(record) => Err(Error::Conflict(format!(
                "deployment {} took its place, with version {} of the model",
                record.current.deployment, record.current.version
            ))),
            None => Err(Error::NotFound("the model is not served any more".to_owned())),
        })
    }

    fn give_back(&self, state: &State, record: Record) -> Result<()> {
        let Some(previous) = record.previous else { return self.end(&state.service) };
        self.host.ensure(&state.service, &service::spec(&previous, self.configuration))?;
        self.host.log(Level::Warn, &format!("version {} goes on answering in its place", previous.version));
        Record { current: previous, previous: None }.write(self.host, &state.service)
    }

    /// The record last: while it is there, the end is tried again.
    fn end(&self, service: &str) -> Result<()> {
        self.host.remove(service)?;
        Record::delete(self.host, service)
    }
}

/// A model answers after two seconds at the earliest; one whose packages are installed takes minutes.
fn starting(elapsed_ms: u64) -> Status {
    let progress = Progress { message: "loading the model".to_owned(), fraction: None };
    Status::Running(Running { progress, poll_after_ms: if elapsed_ms < 20_000 { 100 } else { 1000 } })
}
