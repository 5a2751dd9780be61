//! The Kubernetes operator: each run is a SparkApplication of its own name, so that applying it twice makes one.
//!
//! The operator tells how a driver ends. What it never tells, it waits for: an image that is not there, a driver that no node takes,
//! executors that a quota refuses, its own absence. Those are looked for in pods and events, given their time, and end the run in
//! words. A run that is ended so, or cancelled, is deleted; one that came to its end stays until its time to live is over, its
//! log and status in the task by then.

pub mod log;
pub mod manifest;
pub mod observation;

use std::collections::BTreeSet;

use asgard_sdk::json::{Map, Value};
use asgard_sdk::kubernetes::{LogOptions, Reference};
use asgard_sdk::transform::Status;
use asgard_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::configuration::Configuration;
use crate::host::Host;
use crate::output;
use crate::report::Report;
use crate::run::{Job, Taken, concluded, details, running};
use log::Place;
use manifest::{API, DRIVER, Manifests};
use observation::{Application, Event, Phase, Pod, Trouble};

/// One look waits this long for something new: the log goes on meanwhile.
const WATCH_MS: u32 = 5_000;

/// Of a driver's log in one look.
const LOG_LINES: u32 = 5_000;

/// A registry that is restarted, a Secret that comes a moment later.
const PASSING_MS: u64 = 60_000;

/// The operator is a moment behind its pods; and a run that nobody looked at for longer was not deleted before anybody's eyes.
const BEHIND_MS: u64 = 60_000;

/// What a step knows of those before it.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    job: Job,
    /// In what it was made, whatever the binding says since.
    namespace: String,
    submitted: bool,
    resource_version: String,
    submitted_ms: u64,
    looked_ms: u64,
    /// Since when it is as it should not stay, and how.
    trouble: Option<(u64, String)>,
    /// The operator says it runs and no executor does, since.
    alone_ms: Option<u64>,
    log: Place,
    last_words: String,
    /// Events that are in the task's.
    events: BTreeSet<String>,
    /// As last seen, for the details.
    driver_pod: Option<String>,
    executors: usize,
    ui: Option<String>,
    status: Value,
}

/// Runs by one operator.
pub struct Operator<'a> {
    host: &'a dyn Host,
    configuration: &'a Configuration,
}

impl<'a> Operator<'a> {
    /// For the binding's configuration.
    pub fn new(host: &'a dyn Host, configuration: &'a Configuration) -> Self {
        Self { host, configuration }
    }

    /// Whether the configuration has what it takes.
    ///
    /// # Errors
    /// `invalid-input` with the field.
    pub fn check(&self) -> Result<()> {
        self.configuration.needed("namespace", &self.configuration.namespace)?;
        self.configuration.needed("image", &self.configuration.image).map(drop)
    }

    /// Reaches the cluster, and finds that it knows Spark applications.
    ///
    /// # Errors
    /// As [`check`](Self::check); `not-found` where no operator is installed; those of the cluster.
    pub fn reach(&self) -> Result<String> {
        self.check()?;
        let namespace = self.configuration.needed("namespace", &self.configuration.namespace)?;
        match self.host.get(&Reference::new(API, "SparkApplication", namespace, "asgard-check")) {
            Ok(_) | Err(Error::NotFound(_)) => {
                Ok(format!("the cluster answers for Spark applications of namespace `{namespace}`"))
            }
            // The cluster does not know the kind: the operator is not installed.
            Err(Error::Unsupported(message)) => Err(Error::NotFound(message)),
            Err(error) => Err(error),
        }
    }

    /// Makes the SparkApplication with what it needs.
    ///
    /// # Errors
    /// `forbidden` where the grant or the cluster does not allow it.
    pub fn start(&self, job: Job) -> Result<Taken<State>> {
        let mut state = State {
            namespace: self.configuration.needed("namespace", &self.configuration.namespace)?.to_owned(),
            submitted: false,
            resource_version: String::new(),
            submitted_ms: self.host.now_ms(),
            looked_ms: self.host.now_ms(),
            trouble: None,
            alone_ms: None,
            log: Place::default(),
            last_words: String::new(),
            events: BTreeSet::new(),
            driver_pod: None,
            executors: 0,
            ui: None,
            status: json!({}),
            job,
        };
        self.submit(&mut state)?;
        Ok(self.taken(state, running("submitted to the operator".to_owned(), 0)))
    }

    fn submit(&self, state: &mut State) -> Result<()> {
        let manifests = Manifests { configuration: self.configuration, namespace: &state.namespace, job: &state.job };
        // Before the application, so that no pod waits for them; and after it, to go when it goes.
        for belonging in manifests.belongings(None)? {
            self.host.apply(&belonging.to_string())?;
        }
        let application = Application::parse(&self.host.apply(&manifests.application()?.to_string())?)?;
        for belonging in manifests.belongings(application.uid())? {
            self.host.apply(&belonging.to_string())?;
        }
        state.submitted = true;
        state.resource_version = application.resource_version().to_owned();
        Ok(())
    }

    /// Follows the application, or concludes.
    ///
    /// # Errors
    /// Those of the cluster.
    pub fn advance(&self, mut state: State) -> Result<Taken<State>> {
        let now = self.host.now_ms();
        let itself = self.reference(&state);
        if !state.submitted {
            return match self.host.get(&itself) {
                Err(Error::NotFound(_)) => {
                    self.submit(&mut state)?;
                    Ok(self.taken(state, running("submitted again".to_owned(), 0)))
                }
                Ok(_) => Ok(self.taken(state, running("waiting until the one before is deleted".to_owned(), 1000))),
                Err(error) => Err(error),
            };
        }
        let application = match self.host.watch(&itself, &state.resource_version, WATCH_MS) {
            Ok(text) => Application::parse(&text)?,
            Err(Error::NotFound(_)) if now.saturating_sub(state.looked_ms) > BEHIND_MS => {
                // Its time to live was over before anybody looked. If it has committed, the next one finds that.
                self.host.event(
                    "Warning",
                    "Gone",
                    "the SparkApplication was gone before its end was seen: submitted again",
                );
                return Ok(self.taken(State { submitted: false, ..state }, running("submitted again".to_owned(), 0)));
            }
            Err(Error::NotFound(_)) => {
                let name = &state.job.request.name;
                let error =
                    Error::internal(format!("somebody else deleted the SparkApplication `{name}` while it ran"));
                return Ok(self.taken(state, Status::Failed(error)));
            }
            Err(error) => return Err(error),
        };
        state.looked_ms = self.host.now_ms();
        state.resource_version = application.resource_version().to_owned();
        let pod = self.look(&mut state, &application)?;
        match application.phase() {
            Phase::Completed | Phase::Failed => self.conclude(state, &application, pod.as_ref()),
            Phase::Unseen | Phase::Going => match self.verdict(&mut state, &application, pod.as_ref())? {
                Some(error) => {
                    self.delete(&state)?;
                    let status = concluded(self.host, &state.job, || error);
                    Ok(self.taken(state, status))
                }
                None => {
                    let message = message_of(&state, &application);
                    Ok(self.taken(state, running(message, 0)))
                }
            },
        }
    }

    /// Events, the driver's pod, its log.
    fn look(&self, state: &mut State, application: &Application) -> Result<Option<Pod>> {
        state.status = application.status();
        let executors = application.executors();
        state.executors = executors.len().max(state.executors);
        state.ui = application.ui().or_else(|| state.ui.take());
        if let Some(pod) = application.driver_pod() {
            state.driver_pod = Some(pod.to_owned());
        }
        self.tell_events(state, &self.reference(state))?;
        let Some(name) = state.driver_pod.clone() else { return Ok(None) };
        let of_pod = Reference::new("v1", "Pod", &state.namespace, &name);
        self.tell_events(state, &of_pod)?;
        let pod = match self.host.get(&of_pod) {
            Ok(text) => Pod::parse(&text)?,
            Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        if matches!(pod.phase(), "Running" | "Succeeded" | "Failed") {
            let options = LogOptions {
                container: Some(DRIVER.to_owned()),
                previous: false,
                tail_lines: Some(LOG_LINES),
                since_ms: None,
            };
            match self.host.logs(&state.namespace, &name, &options) {
                Ok(text) => {
                    let lines = state.log.after(&text, pod.has_ended());
                    if !lines.is_empty() {
                        state.last_words = output::last_words(&text);
                    }
                    output::log(self.host, &mut state.job.report, lines.into_iter());
                }
                // The container is not there yet, or not any more.
                Err(Error::NotFound(_) | Error::InvalidInput(_) | Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        for line in pod.last_words().into_iter().flat_map(str::lines) {
            state.job.report.take(line);
        }
        Ok(Some(pod))
    }

    fn tell_events(&self, state: &mut State, of: &Reference) -> Result<()> {
        let events = match self.host.events(of) {
            Ok(events) => events,
            // Events are for people: a grant without them keeps no run from its end.
            Err(Error::Forbidden(_) | Error::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        for event in events.iter().filter_map(|event| Event::parse(event)) {
            if state.events.insert(event.uid) {
                self.host.event(&event.kind, &event.reason, &event.message);
            }
        }
        Ok(())
    }

    /// Whether it is to be given up, and why.
    fn verdict(&self, state: &mut State, application: &Application, pod: Option<&Pod>) -> Result<Option<Error>> {
        let now = self.host.now_ms();
        let (start, all) = (self.configuration.start_seconds, self.configuration.timeout_seconds);
        let trouble = self.trouble(state, application, pod);
        match (&trouble, &state.trouble) {
            (None, _) => state.trouble = None,
            (Some((what, _)), Some((_, known))) if known == what => {}
            (Some((what, _)), _) => state.trouble = Some((now, what.clone())),
        }
        if let (Some((_, patience)), Some((since, what))) = (&trouble, &state.trouble)
            && now.saturating_sub(*since) >= *patience
        {
            return Ok(Some(Error::internal(what.clone())));
        }
        if self.is_alone(state, application, now) {
            let reason = self.executor_reason(state, application)?;
            return Ok(Some(Error::internal(format!("no executor came up within {start} s: {reason}"))));
        }
        let late = now.saturating_sub(state.submitted_ms) > all.saturating_mul(1000);
        Ok(late.then(|| {
            Error::internal(format!(
                "the run took longer than {all} s and was ended: raise `timeout_seconds` of the binding"
            ))
        }))
    }

    /// What is wrong, in words that stay the same while it is, and how long it may be so.
    fn trouble(&self, state: &State, application: &Application, pod: Option<&Pod>) -> Option<(String, u64)> {
        let start = self.configuration.start_seconds.saturating_mul(1000);
        if application.phase() == Phase::Unseen {
            let namespace = &state.namespace;
            return Some((
                format!("no Spark operator took the run up: does one watch the namespace `{namespace}`?"),
                start,
            ));
        }
        let Some(pod) = pod else {
            return Some(match &state.driver_pod {
                Some(name) if state.job.report.started.is_some() => {
                    (format!("the driver's pod `{name}` is gone"), BEHIND_MS)
                }
                _ => ("the driver's pod did not come up".to_owned(), start),
            });
        };
        if pod.has_ended() {
            let reason = pod.reason().unwrap_or_else(|| "the driver has ended".to_owned());
            return Some((reason, BEHIND_MS));
        }
        match pod.trouble()? {
            Trouble::Fatal(what) => Some((what, 0)),
            Trouble::Passing(what) => Some((first_cause(&what), PASSING_MS)),
            Trouble::Unschedulable(what) => Some((what, start)),
        }
    }

    fn is_alone(&self, state: &mut State, application: &Application, now: u64) -> bool {
        let executors = application.executors();
        let works = executors.iter().any(|(_, state)| matches!(state.as_str(), "RUNNING" | "COMPLETED"));
        // A driver that is still coming up has asked for none.
        let asked = state.job.report.started.is_some() || !executors.is_empty();
        if application.state() != "RUNNING" || works || !asked {
            state.alone_ms = None;
            return false;
        }
        let since = *state.alone_ms.get_or_insert(now);
        now.saturating_sub(since) > self.configuration.start_seconds.saturating_mul(1000)
    }

    fn executor_reason(&self, state: &State, application: &Application) -> Result<String> {
        for (name, _) in application.executors() {
            match self.host.get(&Reference::new("v1", "Pod", &state.namespace, &name)) {
                Ok(pod) => match Pod::parse(&pod)?.trouble() {
                    Some(Trouble::Fatal(what) | Trouble::Passing(what) | Trouble::Unschedulable(what)) => {
                        return Ok(what);
                    }
                    None => {}
                },
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let quota = state.last_words.lines().find(|line| line.contains("exceeded quota"));
        Ok(quota.map_or_else(|| "the driver's log says more".to_owned(), str::to_owned))
    }

    fn conclude(&self, state: State, application: &Application, pod: Option<&Pod>) -> Result<Taken<State>> {
        let status = concluded(self.host, &state.job, || {
            let said = [pod.and_then(Pod::reason), application.error().map(str::to_owned)];
            let said: Vec<String> = said.into_iter().flatten().collect();
            let last = if state.last_words.is_empty() {
                String::new()
            } else {
                format!(". Its last lines:\n{}", state.last_words)
            };
            Error::internal(format!("the SparkApplication ended as {}: {}{last}", application.state(), said.join("; ")))
        });
        if matches!(status, Status::Failed(Error::Unavailable(_))) {
            // The host repeats the step: by then another one may be made.
            self.delete(&state)?;
            let mut job = state.job;
            job.report = Report::default();
            let again = State { submitted: false, log: Place::default(), trouble: None, alone_ms: None, job, ..state };
            return Ok(self.taken(again, status));
        }
        Ok(self.taken(state, status))
    }

    /// Deletes the application, and with it all that is its own.
    ///
    /// # Errors
    /// Those of the cluster.
    pub fn cancel(&self, state: &State) -> Result<()> {
        self.delete(state)
    }

    fn delete(&self, state: &State) -> Result<()> {
        self.host.delete(&self.reference(state))?;
        // They are the application's own, unless it was never made.
        let name = &state.job.request.name;
        self.host.delete(&Reference::new("v1", "ConfigMap", &state.namespace, name))?;
        let manifests = Manifests { configuration: self.configuration, namespace: &state.namespace, job: &state.job };
        if manifests.has_secret()? {
            self.host.delete(&Reference::new("v1", "Secret", &state.namespace, name))?;
        }
        Ok(())
    }

    fn reference(&self, state: &State) -> Reference {
        Reference::new(API, "SparkApplication", &state.namespace, &state.job.request.name)
    }

    fn taken(&self, state: State, status: Status) -> Taken<State> {
        let mut details: Map<String, Value> = details(&state.job, state.status.clone());
        details.insert("namespace".to_owned(), json!(state.namespace));
        details.insert("image".to_owned(), json!(self.configuration.image));
        details.entry("spark_version").or_insert_with(|| json!(self.configuration.spark_version));
        details.insert("executor_count".to_owned(), json!(state.executors));
        if let Some(pod) = &state.driver_pod {
            details.insert("driver_pod".to_owned(), json!(pod));
        }
        if let (Some(ui), None) = (&state.ui, &state.job.report.end) {
            details.insert("ui".to_owned(), json!(ui));
        }
        Taken { state, status, details }
    }
}

/// Kubernetes says in turns that it could not pull and that it waits before it tries again.
fn first_cause(what: &str) -> String {
    what.replace("ErrImagePull", "ImagePullBackOff").split(": Back-off pulling image").next().unwrap_or(what).to_owned()
}

fn message_of(state: &State, application: &Application) -> String {
    match (&state.trouble, application.state()) {
        (Some((_, what)), _) => what.clone(),
        (None, "RUNNING") if state.job.report.started.is_some() => {
            format!("running with {} executors", state.executors)
        }
        (None, word) => format!("the operator says {word}"),
    }
}
