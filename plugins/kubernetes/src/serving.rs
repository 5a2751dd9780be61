//! Serving as steps: the resources are applied, the rollout is watched to its end, and a version that does not come up gives
//! its place back.

use asgard_sdk::context::Level;
use asgard_sdk::kubernetes::{LogOptions, Reference};
use asgard_sdk::serving::{Outcome, Request, Status, Step};
use asgard_sdk::{Error, Progress, Result, Running, decode, encode, http};
use asgard_workloads::cluster::text;
use asgard_workloads::job::patience_ms;
use asgard_workloads::logs::last_words;
use asgard_workloads::names;
use asgard_workloads::pods::{self, Kind as TroubleKind, Trouble};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address;
use crate::configuration::Configuration;
use crate::host::Host;
use crate::manifest::{self, CONTAINER, DEPLOYMENT_LABEL, MODEL_LABEL};
use crate::record::{Deployed, Previous, Record};
use crate::rollout::{self, Rollout};
use crate::share;

/// A container that was started anew this often will not come up.
const RESTARTS: u64 = 2;

/// How long the cluster may refuse to make pods: a quota is freed in a moment, or not at all.
const REFUSED_MS: u64 = 60_000;

/// Lines of a container that are looked at for its last words.
const TAIL: u32 = 60;

/// What a step knows of those before it, and what finds the served model again later.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    namespace: String,
    name: String,
    wanted: Deployed,
    /// False while an earlier Deployment of this name is being deleted.
    placed: bool,
    started_ms: u64,
    /// When every container answered; the address is waited for since then.
    rolled_out_ms: Option<u64>,
    /// Since when something keeps pods from running.
    held_up_ms: Option<u64>,
    /// How many containers the served version is left with, where this one is a canary beside it.
    #[serde(default)]
    beside: Option<Beside>,
}

/// What a canary leaves to the version that is served.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Beside {
    weight: u32,
    /// Known once the served version has been looked at.
    containers: Option<u32>,
}

impl State {
    /// The name of what callers reach: a canary is behind the model's own Service.
    fn service(&self) -> String {
        manifest::name(&self.wanted.model)
    }
}

/// Serves models in one cluster.
pub struct Server<'a> {
    host: &'a dyn Host,
    configuration: &'a Configuration,
}

/// Where models are served when neither the binding nor a request says.
const NAMESPACE: &str = "asgard";

/// Whether a Deployment is this deployment's.
enum Owned {
    Ours(Box<(Record, Value)>),
    Not(Error),
}

impl<'a> Server<'a> {
    /// A server for the binding's configuration.
    ///
    /// # Errors
    /// `invalid-input` for what does not fit together.
    pub fn new(host: &'a dyn Host, configuration: &'a Configuration) -> Result<Self> {
        configuration.check()?;
        Ok(Self { host, configuration })
    }

    /// Reaches the cluster.
    ///
    /// # Errors
    /// Those of the cluster.
    pub fn check(&self) -> Result<String> {
        let namespace = self.configuration.namespace.as_deref().unwrap_or(NAMESPACE);
        self.host.find(&Reference::new("apps/v1", "Deployment", namespace, "asgard-check"))?;
        Ok(format!("the cluster answers for Deployments of namespace `{namespace}`"))
    }

    /// Applies the model's resources, over those of an older version if there is one.
    ///
    /// # Errors
    /// `invalid-input` without an image; `conflict` for a name that another environment or somebody else uses; those of the
    /// cluster.
    pub fn start(&self, request: Request) -> Result<Step> {
        let state = self.begin(request, None)?;
        running(&state, "applied the model's Deployment".to_owned(), None, 500)
    }

    /// Applies a Deployment beside the model's own, over that of an earlier canary if there is one. Answers with a state that the
    /// other functions go on with.
    ///
    /// # Errors
    /// As [`Server::start`]; `conflict` where the model is not served.
    pub fn start_canary(&self, request: Request, weight: u32) -> Result<Vec<u8>> {
        encode(&self.begin(request, Some(Beside { weight, containers: None }))?)
    }

    fn begin(&self, request: Request, beside: Option<Beside>) -> Result<State> {
        let Some(image) = request.image else {
            return Err(Error::invalid(
                "image",
                "a cluster serves images, and none was built: bind a plugin in role `build`, such as `kaniko`",
            ));
        };
        let mut state = State {
            namespace: self.configuration.namespace.clone().unwrap_or(request.namespace),
            name: match beside {
                None => manifest::name(&request.model_name),
                Some(_) => manifest::canary_name(&request.model_name),
            },
            wanted: Deployed {
                deployment: request.deployment_id,
                model: request.model_name,
                version: request.model_version,
                image,
                replicas: request.replicas,
                pods_of: None,
            },
            placed: false,
            started_ms: self.host.now_ms(),
            rolled_out_ms: None,
            held_up_ms: None,
            beside,
        };
        let placed = self.place(&mut state);
        state.placed = self.or_give_back(&state, placed)?.is_none();
        Ok(state)
    }

    /// Puts the wanted version in its place, or tells what that has to wait for.
    fn place(&self, state: &mut State) -> Result<Option<&'static str>> {
        let existing = self.host.find(&Reference::new("apps/v1", "Deployment", &state.namespace, &state.name))?;
        let environment = self.host.environment();
        if !self.leave_a_share(state, &environment)? {
            return Ok(Some("the version beside it is not rolled out yet"));
        }
        let mut shared = None;
        let previous = match &existing {
            None => None,
            Some(deployment) if !text(deployment, "/metadata/deletionTimestamp").is_empty() => {
                return Ok(Some("an earlier Deployment of its name is being deleted"));
            }
            Some(deployment) => {
                let record = Record::of(deployment)?;
                self.belongs(&record, &environment, state)?;
                shared = record.shared;
                if record.current.deployment == state.wanted.deployment {
                    state.wanted.pods_of.clone_from(&record.current.pods_of);
                } else {
                    state.wanted.keep_pods_of(&record.current);
                }
                match record {
                    // Repeated: what was there before is known already.
                    Record { current, previous, .. } if current.deployment == state.wanted.deployment => previous,
                    // One that has not answered yet makes way, and hands on whom it would have given its place back to.
                    Record { previous: Some(answering), .. } => Some(answering),
                    Record { current, .. } => {
                        Some(Previous { deployed: current, template: manifest::template(deployment) })
                    }
                }
            }
        };
        let placed = if state.beside.is_some() {
            let record = Record { environment, current: state.wanted.clone(), previous, ingress: false, shared: None };
            self.apply(state, &record, existing.as_ref())?
        } else {
            self.place_served(state, environment, previous, shared, existing.as_ref())?
        };
        if !placed {
            return Ok(Some("the Deployment is changed by somebody else meanwhile"));
        }
        let Deployed { version, image, .. } = &state.wanted;
        self.host.log(
            Level::Info,
            &format!(
                "applied Deployment `{}` in namespace `{}`: version {version}, {image}",
                state.name, state.namespace
            ),
        );
        Ok(None)
    }

    /// The model's own Deployment, with all that makes it reachable. False where it has changed since it was read.
    fn place_served(
        &self,
        state: &State,
        environment: String,
        previous: Option<Previous>,
        shared: Option<u32>,
        existing: Option<&Value>,
    ) -> Result<bool> {
        let ingress = manifest::ingress(&state.name, &state.namespace, self.configuration);
        let record =
            Record { environment, current: state.wanted.clone(), previous, ingress: ingress.is_some(), shared };
        if let Some(secret) = manifest::pull_secret(&state.name, &state.namespace, self.configuration) {
            self.host.apply(&secret)?;
        }
        self.host.apply(&manifest::service(&state.name, &state.namespace, self.configuration))?;
        if !self.apply(state, &record, existing)? {
            return Ok(false);
        }
        match ingress {
            Some(ingress) => {
                self.host.apply(&ingress)?;
            }
            // The binding said `Ingress` before, and says something else now.
            None if existing.is_some_and(|there| Record::of(there).is_ok_and(|record| record.ingress)) => {
                self.host.delete(&Reference::new("networking.k8s.io/v1", "Ingress", &state.namespace, &state.name))?;
            }
            None => {}
        }
        Ok(true)
    }

    /// Finds out how many containers a canary and the version that is served share. False while that one is rolled out: what it
    /// gives its place back to is not known before.
    fn leave_a_share(&self, state: &mut State, environment: &str) -> Result<bool> {
        let Some(Beside { weight, containers: None }) = state.beside else { return Ok(true) };
        let Some((served, _)) = self.served(state)? else {
            return Err(Error::Conflict(format!(
                "model `{}` is not served in namespace `{}`: a canary gets a share of the requests of a version that is; deploy it \
                without `canary_weight`",
                state.wanted.model, state.namespace
            )));
        };
        self.belongs(&served, environment, state)?;
        if served.previous.is_some() {
            return Ok(false);
        }
        let (containers, canaries) = share::of(weight, served.current.replicas, self.configuration.canary_containers);
        state.wanted.replicas = canaries;
        state.beside = Some(Beside { weight, containers: Some(containers) });
        let message = format!(
            "{canaries} of {} containers are the canary's, for {weight} % of the requests",
            containers + canaries
        );
        self.host.log(Level::Info, &message);
        Ok(true)
    }

    /// The model's own Deployment, beside which a canary is.
    fn served(&self, state: &State) -> Result<Option<(Record, Value)>> {
        let found = self.host.find(&Reference::new("apps/v1", "Deployment", &state.namespace, &state.service()))?;
        let there = found.filter(|deployment| text(deployment, "/metadata/deletionTimestamp").is_empty());
        there.map(|deployment| Ok((Record::of(&deployment)?, deployment))).transpose()
    }

    /// Gives the model's own Deployment so many containers, or all of its own again; its pods stay as they are. Answers whether there
    /// was anything to change.
    fn resize(&self, state: &State, served: (Record, Value), shared: Option<u32>) -> Result<bool> {
        let (record, deployment) = served;
        if record.shared == shared {
            return Ok(false);
        }
        let record = Record { shared, ..record };
        let template = manifest::template(&deployment);
        let name = state.service();
        let manifest = manifest::deployment_as_it_was(&name, &state.namespace, &record, template, self.configuration)?;
        // Whoever was faster is looked at by the next step.
        self.replace(manifest, Some(&deployment))?;
        Ok(true)
    }

    fn belongs(&self, record: &Record, environment: &str, state: &State) -> Result<()> {
        if record.environment != environment {
            return Err(Error::Conflict(format!(
                "model `{}` is served in namespace `{}` by environment `{}`: give each environment a namespace of its own",
                record.current.model, state.namespace, record.environment
            )));
        }
        if record.current.model != state.wanted.model {
            return Err(Error::Conflict(format!(
                "models `{}` and `{}` would share the name `{}`: rename one",
                record.current.model, state.wanted.model, state.name
            )));
        }
        Ok(())
    }

    /// Applies the Deployment with a record, over the one that was `read`; false where that has changed since.
    fn apply(&self, state: &State, record: &Record, read: Option<&Value>) -> Result<bool> {
        self.replace(manifest::deployment(&state.name, &state.namespace, record, self.configuration)?, read)
    }

    /// Another step may be at work on the same Deployment: a canary's on the version beside it, a newer deployment's in this place.
    /// What follows from a Deployment that was read is applied over that one alone.
    fn replace(&self, mut manifest: Value, read: Option<&Value>) -> Result<bool> {
        if let Some(version) = read.and_then(|read| read.pointer("/metadata/resourceVersion")) {
            manifest["metadata"]["resourceVersion"] = version.clone();
        }
        match self.host.apply(&manifest) {
            Ok(_) => Ok(true),
            Err(Error::Conflict(_)) if read.is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Looks how far the rollout is.
    ///
    /// # Errors
    /// Those of the cluster.
    pub fn advance(&self, state: &[u8]) -> Result<Step> {
        let state: State = decode(state)?;
        let step = if state.placed { self.follow(state.clone()) } else { self.place_later(state.clone()) };
        self.or_give_back(&state, step)
    }

    fn place_later(&self, mut state: State) -> Result<Step> {
        let Some(why) = self.place(&mut state)? else {
            state.placed = true;
            return running(&state, "applied the model's Deployment".to_owned(), None, 1000);
        };
        let seconds = self.configuration.rollout_timeout_seconds;
        if self.host.now_ms().saturating_sub(state.started_ms) < seconds * 1000 {
            return running(&state, format!("waiting: {why}"), None, 1000);
        }
        let error = Error::Conflict(format!(
            "Deployment `{}` in namespace `{}` could not be applied within {seconds} s: {why}; see what holds that up, and deploy again",
            state.name, state.namespace
        ));
        finished(&state, Status::Failed(error))
    }

    fn follow(&self, state: State) -> Result<Step> {
        let (record, deployment) = match self.owned(&state)? {
            Owned::Ours(ours) => *ours,
            Owned::Not(superseded) => return finished(&state, Status::Failed(superseded)),
        };
        match rollout::of(&deployment) {
            Rollout::Done => self.answer(state, record, &deployment),
            Rollout::Stuck { words } => {
                let error = self.why(&state, &words)?;
                self.fail(&state, record, &deployment, error)
            }
            Rollout::Running { words, percent, refused } => {
                self.wait(state, (record, &deployment), words, percent, refused)
            }
        }
    }

    fn wait(
        &self,
        mut state: State,
        (record, deployment): (Record, &Value),
        words: String,
        percent: u64,
        refused: Option<String>,
    ) -> Result<Step> {
        let now = self.host.now_ms();
        let trouble = self.trouble(&state)?;
        let (limit, held) = match (&trouble, &refused) {
            (Some((_, Trouble { kind: TroubleKind::Crash, restarts, words, .. })), _) => {
                (if *restarts >= RESTARTS { 0 } else { u64::MAX }, words.clone())
            }
            (Some((_, trouble)), _) => {
                (patience_ms(trouble, self.configuration.rollout_timeout_seconds * 1000), trouble.words.clone())
            }
            (None, Some(refused)) => (REFUSED_MS, refused.clone()),
            (None, None) => {
                state.held_up_ms = None;
                return running(&state, words, Some(percent), 500);
            }
        };
        let since = *state.held_up_ms.get_or_insert(now);
        if now.saturating_sub(since) < limit {
            return running(&state, format!("{words}: {held}"), Some(percent), 1000);
        }
        let error = self.why(&state, &held)?;
        self.fail(&state, record, deployment, error)
    }

    /// What keeps the new version's pods from running, and which pod.
    fn trouble(&self, state: &State) -> Result<Option<(String, Trouble)>> {
        let pods = self.pods(state)?;
        let all = pods.iter().filter_map(|pod| Some((pods::name(pod).to_owned(), pods::trouble(pod)?)));
        // Of several, the one that is furthest from coming up.
        Ok(all.max_by_key(|(_, trouble)| trouble.restarts))
    }

    fn pods(&self, state: &State) -> Result<Vec<Value>> {
        let selector = format!("{DEPLOYMENT_LABEL}={}", names::label(state.wanted.pods_of()));
        pods::list(self.host, &state.namespace, &selector)
    }

    /// Whether containers of a version before still end. They answer until then, to requests of nodes that have not heard of it.
    fn drains(&self, state: &State) -> Result<bool> {
        let own = names::label(state.wanted.pods_of());
        let pods = match pods::list(self.host, &state.namespace, &format!("{MODEL_LABEL}={}", state.name)) {
            Ok(pods) => pods,
            // Where pods may not be read, nobody waits for them.
            Err(Error::Forbidden(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(pods.iter().any(|pod| {
            let of = pod.pointer("/metadata/labels").and_then(|labels| labels.get(DEPLOYMENT_LABEL)?.as_str());
            let ends = !text(pod, "/metadata/deletionTimestamp").is_empty();
            ends && of.is_some_and(|of| of != own) && text(pod, "/status/phase") == "Running"
        }))
    }

    /// Why the new version does not come up, in its pods' words.
    fn why(&self, state: &State, otherwise: &str) -> Result<Error> {
        if let Some((pod, trouble)) = self.trouble(state)? {
            let words = match trouble.kind {
                TroubleKind::Crash => self.last_words(state, &pod, trouble.restarts > 0),
                _ => String::new(),
            };
            return Ok(self.probed(state, &pod, trouble).into_error("image", "model", &words));
        }
        // Its containers run and do not answer.
        let mut told = vec![otherwise.to_owned()];
        let mut words = String::new();
        if let Some(pod) = self.pods(state)?.first() {
            let pod = pods::name(pod);
            told.extend(pods::warnings(self.host, "v1", "Pod", &state.namespace, pod).pop());
            words = self.last_words(state, pod, false);
        }
        let sentence = format!("the model does not come up: {}", told.join("; "));
        Ok(Error::invalid("model", pods::with_last_words(&sentence, &words)))
    }

    /// A container that the kubelet ended, because it did not answer in time, does not know why: the kubelet does.
    fn probed(&self, state: &State, pod: &str, trouble: Trouble) -> Trouble {
        if trouble.kind != TroubleKind::Crash {
            return trouble;
        }
        let warnings = pods::warnings(self.host, "v1", "Pod", &state.namespace, pod);
        match warnings.into_iter().rev().find(|warning| warning.starts_with("Unhealthy: ")) {
            Some(unhealthy) => Trouble { words: format!("{} ({unhealthy})", trouble.words), ..trouble },
            None => trouble,
        }
    }

    fn last_words(&self, state: &State, pod: &str, restarted: bool) -> String {
        let look = |previous| {
            let options =
                LogOptions { container: Some(CONTAINER.to_owned()), previous, tail_lines: Some(TAIL), since_ms: None };
            self.host
                .logs(&state.namespace, pod, &options)
                .ok()
                .map(|text| last_words(&text))
                .filter(|words| !words.is_empty())
        };
        // What ended is the container before, once another was started.
        let before = if restarted { look(true) } else { None };
        before.or_else(|| look(false)).unwrap_or_default()
    }

    /// Every container answers: now the address.
    fn answer(&self, mut state: State, record: Record, deployment: &Value) -> Result<Step> {
        if let Some(Beside { containers, .. }) = state.beside
            && let Some(step) = self.shared(&state, &record, deployment, containers)?
        {
            return Ok(step);
        }
        let now = self.host.now_ms();
        let since = *state.rolled_out_ms.get_or_insert(now);
        let late = now.saturating_sub(since) > self.configuration.address_timeout_seconds * 1000;
        let Some(outcome) = address::of(self.host, &state.service(), &state.namespace, self.configuration)? else {
            if !late {
                return running(&state, "waiting for the load balancer's address".to_owned(), Some(99), 1000);
            }
            let told = pods::warnings(self.host, "v1", "Service", &state.namespace, &state.service()).pop();
            let told = told.unwrap_or_else(|| "nobody in the cluster gave it one: see `service.type`".to_owned());
            let seconds = self.configuration.address_timeout_seconds;
            let message = format!("Service `{}` had no address after {seconds} s: {told}", state.service());
            return self.fail(&state, record, deployment, Error::invalid("configuration.service.type", message));
        };
        if self.configuration.verify
            && let Err(why) = self.verified(&outcome)
        {
            if !late {
                return running(&state, format!("waiting for {}: {why}", outcome.url), Some(99), 2000);
            }
            let message = format!("the model is rolled out and does not answer at {}: {why}", outcome.url);
            return self.fail(&state, record, deployment, Error::unavailable(message));
        }
        if record.shared.is_some() {
            // All containers before the canary's end: nobody waits meanwhile.
            self.apply(&state, &Record { shared: None, ..record }, Some(deployment))?;
            return running(&state, "taking the requests of the canary back".to_owned(), Some(99), 500);
        }
        if record.previous.is_some() {
            if state.beside.is_none() {
                if !late && self.drains(&state)? {
                    return running(
                        &state,
                        "the containers of the version before are ending".to_owned(),
                        Some(99),
                        500,
                    );
                }
                self.delete_canary(&state)?;
            }
            // Whether it was applied or somebody was faster: a Deployment counts changes of its record too, and is at its end again once
            // the cluster has seen this one.
            self.apply(&state, &Record { previous: None, ..record }, Some(deployment))?;
            return running(&state, "the version before is given up".to_owned(), Some(99), 200);
        }
        self.host.log(Level::Info, &format!("the model answers at {}", outcome.url));
        finished(&state, Status::Succeeded(outcome))
    }

    /// The canary answers: the version beside it is left with what remains. None when that is so.
    fn shared(
        &self,
        state: &State,
        record: &Record,
        deployment: &Value,
        containers: Option<u32>,
    ) -> Result<Option<Step>> {
        let Some(served) = self.served(state)? else {
            let error = Error::Conflict(format!("model `{}` is not served any more", state.wanted.model));
            return self.fail(state, record.clone(), deployment, error).map(Some);
        };
        let rollout = rollout::of(&served.1);
        if self.resize(state, served, containers)? {
            return running(state, "sharing the requests".to_owned(), Some(99), 500).map(Some);
        }
        match rollout {
            Rollout::Done => Ok(None),
            Rollout::Running { words, .. } => {
                running(state, format!("sharing the requests: {words}"), Some(99), 500).map(Some)
            }
            Rollout::Stuck { words } => {
                let error = Error::invalid("model", format!("the version beside the canary does not come up: {words}"));
                self.fail(state, record.clone(), deployment, error).map(Some)
            }
        }
    }

    /// # Errors
    /// Why not, in words.
    fn verified(&self, outcome: &Outcome) -> std::result::Result<(), String> {
        let request = http::Request {
            method: "GET".to_owned(),
            url: format!("{}/health", outcome.url),
            headers: Vec::new(),
            body: None,
            timeout_ms: 5000,
        };
        match self.host.send(&request) {
            Ok(response) if response.status == 200 => Ok(()),
            Ok(response) => Err(format!("`/health` answers with status {}", response.status)),
            Err(Error::Unavailable(why)) => Err(why.message),
            Err(Error::Forbidden(why)) => Err(why),
            Err(other) => Err(format!("{other:?}")),
        }
    }

    fn fail(&self, state: &State, record: Record, deployment: &Value, error: Error) -> Result<Step> {
        self.give_back(state, record, deployment)?;
        finished(state, Status::Failed(error))
    }

    /// Nobody comes again after an error that ends the task, and a Deployment that waits for its end holds up canaries beside it.
    fn or_give_back<T>(&self, state: &State, taken: Result<T>) -> Result<T> {
        if taken.as_ref().is_err_and(|error| !matches!(error, Error::Unavailable(_)))
            && let Err(left) = self.take_back(state)
        {
            let message = format!("what was applied of Deployment `{}` stays: {}", state.name, left.words());
            self.host.log(Level::Warn, &message);
        }
        taken
    }

    fn take_back(&self, state: &State) -> Result<()> {
        match self.owned(state)? {
            // One with nothing before it may have answered already, where its step is repeated.
            Owned::Ours(ours) if ours.0.previous.is_some() || state.beside.is_some() => {
                self.give_back(state, ours.0, &ours.1)
            }
            Owned::Ours(_) | Owned::Not(_) => Ok(()),
        }
    }

    /// Takes back a start that is under way.
    ///
    /// # Errors
    /// Those of the cluster.
    pub fn cancel(&self, state: &[u8]) -> Result<()> {
        let state: State = decode(state)?;
        match self.owned(&state)? {
            // It has answered already: then there is nothing under way.
            Owned::Ours(ours) => self.give_back(&state, ours.0, &ours.1),
            Owned::Not(_) => Ok(()),
        }
    }

    /// Whether the deployment's model still answers, and where.
    ///
    /// # Errors
    /// Those of the cluster.
    pub fn inspect(&self, state: &[u8]) -> Result<Status> {
        let state: State = decode(state)?;
        let deployment = match self.owned(&state)? {
            Owned::Ours(ours) => ours.1,
            Owned::Not(superseded) => return Ok(Status::Failed(superseded)),
        };
        let answering = asgard_workloads::cluster::number(&deployment, "/status/availableReplicas");
        if answering > 0
            && let Some(outcome) = address::of(self.host, &state.service(), &state.namespace, self.configuration)?
        {
            return Ok(Status::Succeeded(outcome));
        }
        Ok(match self.trouble(&state)? {
            Some(_) => Status::Failed(self.why(&state, "no container answers")?),
            None => status("no container answers".to_owned(), None, 1000),
        })
    }

    /// Ends the deployment's model. One that a newer deployment has replaced has ended already.
    ///
    /// # Errors
    /// Those of the cluster.
    pub fn remove(&self, state: &[u8]) -> Result<()> {
        let state: State = decode(state)?;
        match self.owned(&state)? {
            Owned::Ours(ours) => self.end(&state, &ours.0),
            Owned::Not(_) => Ok(()),
        }
    }

    /// Whether the Deployment is this deployment's, and if not, why.
    fn owned(&self, state: &State) -> Result<Owned> {
        let gone = || Owned::Not(Error::NotFound("the model is not served any more".to_owned()));
        let found = self.host.find(&Reference::new("apps/v1", "Deployment", &state.namespace, &state.name))?;
        let Some(deployment) = found else { return Ok(gone()) };
        if !text(&deployment, "/metadata/deletionTimestamp").is_empty() {
            return Ok(gone());
        }
        let record = match Record::of(&deployment) {
            Err(foreign @ Error::Conflict(_)) => return Ok(Owned::Not(foreign)),
            record => record?,
        };
        Ok(if record.current.deployment == state.wanted.deployment {
            Owned::Ours(Box::new((record, deployment)))
        } else {
            Owned::Not(Error::Conflict(format!(
                "deployment {} took its place, with version {} of the model",
                record.current.deployment, record.current.version
            )))
        })
    }

    fn give_back(&self, state: &State, record: Record, deployment: &Value) -> Result<()> {
        let Some(Previous { deployed, template }) = record.previous.clone() else { return self.end(state, &record) };
        let version = deployed.version.clone();
        let record = Record { current: deployed, previous: None, ..record };
        let (name, namespace) = (&state.name, &state.namespace);
        let manifest = manifest::deployment_as_it_was(name, namespace, &record, template, self.configuration)?;
        if !self.replace(manifest, Some(deployment))? {
            return Err(Error::unavailable(format!("Deployment `{name}` has changed meanwhile: it is read again")));
        }
        self.host.log(Level::Warn, &format!("version {version} goes on answering in its place"));
        Ok(())
    }

    fn delete_canary(&self, state: &State) -> Result<()> {
        let name = manifest::canary_name(&state.wanted.model);
        self.host.delete(&Reference::new("apps/v1", "Deployment", &state.namespace, &name))
    }

    /// The Deployment last: while it is there, the end is tried again.
    fn end(&self, state: &State, record: &Record) -> Result<()> {
        let named = |api: &str, kind: &str, name: &str| Reference::new(api, kind, &state.namespace, name);
        if state.beside.is_some() {
            // The version beside it has its strength back before this one ends.
            if let Some(served) = self.served(state)? {
                self.resize(state, served, None)?;
            }
            return self.delete_canary(state);
        }
        self.delete_canary(state)?;
        if record.ingress {
            self.host.delete(&named("networking.k8s.io/v1", "Ingress", &state.name))?;
        }
        self.host.delete(&named("v1", "Service", &state.name))?;
        if self.configuration.makes_pull_secret() {
            self.host.delete(&named("v1", "Secret", &manifest::pull_secret_name(&state.name)))?;
        }
        self.host.delete(&named("apps/v1", "Deployment", &state.name))
    }
}

fn running(state: &State, message: String, percent: Option<u64>, poll_after_ms: u32) -> Result<Step> {
    finished(state, status(message, percent, poll_after_ms))
}

fn status(message: String, percent: Option<u64>, poll_after_ms: u32) -> Status {
    let fraction = percent.map(|percent| percent as f64 / 100.0);
    Status::Running(Running { progress: Progress { message, fraction }, poll_after_ms })
}

fn finished(state: &State, status: Status) -> Result<Step> {
    Ok(Step { state: encode(state)?, status })
}
