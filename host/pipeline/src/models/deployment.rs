//! The task behind a deployment: features, training, registration, build, serving, one plugin's step per step of the task.
//!
//! The state says which phase it is in and what the phases before it gave, so that any host goes on from there. Every call
//! of a phase may be repeated: the plugins do their work once per deployment id.

use std::sync::{Arc, Weak};
use std::time::Duration;

use asgard_contract::deployer::{
    BuildRequest, Registration, ServingOutcome, ServingRequest, TrainingOutcome, TrainingRequest,
};
use asgard_contract::features::{HistoricalRequest, Request as FeatureRequest};
use asgard_contract::log::{Discard, Level, LogSink};
use asgard_contract::manifest::Role;
use asgard_contract::{Error, Progress, Result, Status, Step};
use asgard_tasks::{Handler, StepContext, StepOutcome, Task};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::deployments::{FeatureChoice, Pins};
use crate::Pipeline;
use crate::environments::Active;
use crate::roles::Bound;
use crate::stepping;

pub(crate) const KIND: &str = "deployment";

/// Where a deployment is; the API's `progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The features are being written for the script.
    #[default]
    Features,
    Training,
    Registering,
    Building,
    Deploying,
    Completed,
}

/// What was asked; stored as the task's request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) pins: Pins,
    pub(super) script_name: String,
    pub(super) script: String,
    pub(super) experiment: String,
    pub(super) model_name: String,
    pub(super) requirements: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) timeout_ms: u64,
    pub(super) tags: Vec<(String, String)>,
    pub(super) replicas: u32,
    pub(super) namespace: String,
    pub(super) features: Option<HistoricalRequest>,
    pub(super) target: Option<String>,
    /// Of a hundred requests, how many are to be this version's, beside the one that is served. None: all.
    #[serde(default)]
    pub(super) canary_weight: Option<u32>,
    /// What another deployment made, where this one only serves it.
    #[serde(default)]
    pub(super) made: Option<Made>,
}

/// A version that is there already.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Made {
    /// The deployment that trained it.
    pub(super) by: String,
    /// Where serving it begins.
    state: State,
}

impl Made {
    /// What the deployment `by` came to; built again where it has no image.
    pub(super) fn new(by: String, state: State) -> Self {
        let phase = if state.image.is_some() { Phase::Deploying } else { Phase::Building };
        Self { by, state: State { phase, plugin: None, serving: None, ..state } }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// The state of the phase's plugin, base64; none before its first step.
    plugin: Option<String>,
    /// Table -> snapshot that the features were read from.
    pub(super) snapshots: Vec<(String, i64)>,
    pub(super) training: Option<TrainingOutcome>,
    pub(super) model_version: Option<String>,
    /// Path -> object key.
    model_files: Vec<(String, String)>,
    pub(super) image: Option<String>,
    pub(super) serving: Option<ServingOutcome>,
}

impl State {
    /// As the last step left it, or as a task begins.
    pub(super) fn of(task: &Task, asked: &Asked) -> Self {
        let begins = || asked.made.as_ref().map(|made| made.state.clone()).unwrap_or_default();
        serde_json::from_value(task.state.clone()).unwrap_or_else(|_| begins())
    }

    /// On to the next phase, with the plugin's state of this one forgotten.
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.plugin = None;
    }
}

/// What one step of a phase came to.
enum Moved {
    /// Ask the plugin again later.
    Waiting(Progress, Duration),
    /// The next phase begins at once.
    On,
    Completed,
}

pub(super) struct DeploymentHandler {
    pipeline: Weak<Pipeline>,
}

/// One step's surroundings.
struct Work<'a> {
    pipeline: Arc<Pipeline>,
    active: Arc<Active>,
    task: &'a Task,
    asked: Asked,
    log: Arc<dyn LogSink>,
}

impl DeploymentHandler {
    pub(super) fn new(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::downgrade(pipeline) }
    }

    async fn work<'a>(&self, task: &'a Task, log: Arc<dyn LogSink>) -> Result<Work<'a>> {
        let pipeline = stepping::running(&self.pipeline)?;
        let active = pipeline.environments.get(&task.environment).await?;
        Ok(Work { pipeline, active, task, asked: stepping::asked(task)?, log })
    }

    /// Has the phase's plugin end what it does for the task.
    async fn end(&self, task: &Task, log: Arc<dyn LogSink>) -> Result<()> {
        let state = State::of(task, &stepping::asked(task)?);
        let Some(plugin_state) = plugin_state(&state)? else { return Ok(()) };
        let work = self.work(task, log).await?;
        let pins = &work.asked.pins;
        match state.phase {
            Phase::Features => {
                let bound = work.bound(Role::Features, pins.features.as_deref()).await?;
                bound.plugin.feature_source(work.call(&bound).await?).cancel(&plugin_state).await
            }
            Phase::Training => {
                let bound = work.bound(Role::Training, Some(&pins.training)).await?;
                bound.plugin.training(work.call(&bound).await?).cancel(&plugin_state).await
            }
            Phase::Building => {
                let bound = work.bound(Role::Build, pins.build.as_deref()).await?;
                bound.plugin.image_build(work.call(&bound).await?).cancel(&plugin_state).await
            }
            Phase::Deploying => {
                let bound = work.bound(Role::Serving, Some(&pins.serving)).await?;
                bound.plugin.serving(work.call(&bound).await?).cancel(&plugin_state).await
            }
            Phase::Registering | Phase::Completed => Ok(()),
        }
    }
}

#[async_trait]
impl Handler for DeploymentHandler {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        let mut state = match stepping::asked(task) {
            Ok(asked) => State::of(task, &asked),
            Err(error) => return StepOutcome::Failed { state: task.state.clone(), error, details: Value::Null },
        };
        let moved = match self.work(task, context.log()).await {
            Ok(work) => work.step(&mut state).await,
            Err(error) => Err(error),
        };
        let stored = serde_json::to_value(&state).unwrap_or_default();
        match moved {
            Ok(Moved::Waiting(progress, after)) => {
                StepOutcome::Continue { state: stored, progress: Some(progress), details: Value::Null, after }
            }
            Ok(Moved::On) => {
                let progress = Progress { message: format!("{:?}", state.phase).to_lowercase(), fraction: None };
                StepOutcome::Continue {
                    state: stored,
                    progress: Some(progress),
                    details: Value::Null,
                    after: Duration::ZERO,
                }
            }
            Ok(Moved::Completed) => StepOutcome::Succeeded {
                outcome: serde_json::to_value(&state.serving).unwrap_or_default(),
                state: stored,
                details: Value::Null,
            },
            Err(error) => StepOutcome::Failed { state: stored, error, details: Value::Null },
        }
    }

    async fn cancel(&self, task: &Task, context: &StepContext) -> Result<()> {
        self.end(task, context.log()).await
    }

    /// Takes the script's features away, unless there is a version that was made of them, and what the plugin keeps to find them: one
    /// whose steps failed was not told.
    async fn give_up(&self, task: &Task) -> Result<()> {
        let asked: Asked = stepping::asked(task)?;
        let state = State::of(task, &asked);
        if asked.features.is_none() || state.model_version.is_some() {
            return Ok(());
        }
        let is_told = state.phase != Phase::Features || task.cancel_requested;
        let ended = if is_told { Ok(()) } else { self.end(task, Arc::new(Discard)).await };
        let active = stepping::running(&self.pipeline)?.environments.get(&task.environment).await?;
        active.lender.delete_object(&features_object(task)).await.and(ended)
    }
}

/// The features for a deployment's script.
fn features_object(task: &Task) -> String {
    format!("deployments/{}/features.parquet", task.subject.as_deref().unwrap_or_default())
}

fn plugin_state(state: &State) -> Result<Option<Vec<u8>>> {
    state.plugin.as_deref().map(stepping::read).transpose()
}

/// Takes a plugin's step into the state: an outcome when it succeeded, a pause when it goes on.
fn take<T>(state: &mut State, step: Step<T>) -> Result<std::result::Result<T, Moved>> {
    state.plugin = Some(stepping::written(&step.state));
    match step.status {
        Status::Running { progress, poll_after_ms } => {
            Ok(Err(Moved::Waiting(progress, Duration::from_millis(u64::from(poll_after_ms)))))
        }
        Status::Succeeded { outcome } => Ok(Ok(outcome)),
        Status::Failed { error } => Err(error),
    }
}

impl Work<'_> {
    async fn bound(&self, role: Role, pin: Option<&str>) -> Result<Bound> {
        let pin = pin.ok_or_else(|| Error::internal(format!("the deployment has no plugin for role `{role}`")))?;
        self.pipeline.pinned(&self.active, role, pin).await
    }

    async fn call(&self, bound: &Bound) -> Result<asgard_plugins::Call> {
        bound.call(&self.task.id, Arc::clone(&self.log)).await
    }

    fn id(&self) -> String {
        self.task.subject.clone().unwrap_or_default()
    }

    async fn step(&self, state: &mut State) -> Result<Moved> {
        match state.phase {
            Phase::Features => self.features(state).await,
            Phase::Training => self.training(state).await,
            Phase::Registering => self.registering(state).await,
            Phase::Building => self.building(state).await,
            Phase::Deploying => self.deploying(state).await,
            Phase::Completed => Ok(Moved::Completed),
        }
    }

    async fn features(&self, state: &mut State) -> Result<Moved> {
        let Some(request) = &self.asked.features else {
            state.enter(Phase::Training);
            return Ok(Moved::On);
        };
        let mut request = request.clone();
        request.output = features_object(self.task);
        let bound = self.bound(Role::Features, self.asked.pins.features.as_deref()).await?;
        let source = bound.plugin.feature_source(self.call(&bound).await?);
        let step = match plugin_state(state)? {
            None => source.start(&FeatureRequest::Historical(request)).await?,
            Some(plugin) => source.advance(&plugin).await?,
        };
        match take(state, step)? {
            Err(waiting) => Ok(waiting),
            Ok(outcome) => {
                self.log.log(Level::Info, &format!("{} rows of features for the script", outcome.rows));
                state.snapshots = outcome.snapshots;
                state.enter(Phase::Training);
                Ok(Moved::On)
            }
        }
    }

    async fn training(&self, state: &mut State) -> Result<Moved> {
        let bound = self.bound(Role::Training, Some(&self.asked.pins.training)).await?;
        let training = bound.plugin.training(self.call(&bound).await?);
        let step = match plugin_state(state)? {
            None => training.start(&self.training_request(state)).await?,
            Some(plugin) => training.advance(&plugin).await?,
        };
        match take(state, step)? {
            Err(waiting) => Ok(waiting),
            Ok(outcome) => {
                state.training = Some(outcome);
                state.enter(Phase::Registering);
                Ok(Moved::On)
            }
        }
    }

    fn training_request(&self, state: &State) -> TrainingRequest {
        let asked = &self.asked;
        let mut environment = asked.environment.clone();
        if let Some(target) = &asked.target {
            environment.push(("ASGARD_TARGET".to_owned(), target.clone()));
        }
        TrainingRequest {
            deployment_id: self.id(),
            script_name: asked.script_name.clone(),
            script: asked.script.clone(),
            experiment: asked.experiment.clone(),
            model_name: asked.model_name.clone(),
            requirements: asked.requirements.clone(),
            environment,
            timeout_ms: asked.timeout_ms,
            tags: self.lineage(state),
            features: asked.features.as_ref().map(|_| features_object(self.task)),
        }
    }

    /// The request's tags, and what the model comes from: feature views, snapshots and plugins.
    fn lineage(&self, state: &State) -> Vec<(String, String)> {
        let mut tags = self.asked.tags.clone();
        tags.push(("asgard.deployment_id".to_owned(), self.id()));
        tags.push(("asgard.environment".to_owned(), self.active.name.clone()));
        tags.push(("asgard.training_plugin".to_owned(), self.asked.pins.training.clone()));
        if let Some(features) = &self.asked.pins.features {
            tags.push(("asgard.features_plugin".to_owned(), features.clone()));
        }
        if let Some(features) = &self.asked.features {
            let views: Vec<&str> = features.selections.iter().map(|selection| selection.view.name.as_str()).collect();
            tags.push(("asgard.feature_views".to_owned(), views.join(", ")));
        }
        for (table, snapshot) in &state.snapshots {
            tags.push((format!("asgard.snapshot.{table}"), snapshot.to_string()));
        }
        tags
    }

    async fn registering(&self, state: &mut State) -> Result<Moved> {
        let training = state.training.clone().ok_or_else(|| Error::internal("there is no training run to register"))?;
        let bound = self.bound(Role::Training, Some(&self.asked.pins.training)).await?;
        let registration = Registration {
            model_name: self.asked.model_name.clone(),
            run_id: training.run_id,
            model_uri: training.model_uri,
            tags: self.lineage(state),
            description: None,
        };
        let version = bound.plugin.model_registry(self.call(&bound).await?).register(&registration).await?;
        let prefix = format!("deployments/{}/model/", self.id());
        let registry = bound.plugin.model_registry(self.call(&bound).await?);
        state.model_files = registry.fetch(&version.name, &version.version, &prefix).await?;
        self.log.log(Level::Info, &format!("registered {} version {}", version.name, version.version));
        state.model_version = Some(version.version);
        state.enter(Phase::Building);
        Ok(Moved::On)
    }

    async fn building(&self, state: &mut State) -> Result<Moved> {
        let Some(pin) = &self.asked.pins.build else {
            self.log.event(
                "Normal",
                "BuildSkipped",
                "the environment has no plugin in role `build`: the model is served without an image",
            );
            state.enter(Phase::Deploying);
            return Ok(Moved::On);
        };
        let bound = self.bound(Role::Build, Some(pin)).await?;
        let build = bound.plugin.image_build(self.call(&bound).await?);
        let step = match plugin_state(state)? {
            None => {
                let request = BuildRequest {
                    deployment_id: self.id(),
                    model_name: self.asked.model_name.clone(),
                    model_version: state.model_version.clone().unwrap_or_default(),
                    model_files: state.model_files.clone(),
                    requirements: self.asked.requirements.clone(),
                };
                build.start(&request).await?
            }
            Some(plugin) => build.advance(&plugin).await?,
        };
        match take(state, step)? {
            Err(waiting) => Ok(waiting),
            Ok(outcome) => {
                state.image = Some(outcome.image);
                state.enter(Phase::Deploying);
                Ok(Moved::On)
            }
        }
    }

    async fn deploying(&self, state: &mut State) -> Result<Moved> {
        let bound = self.bound(Role::Serving, Some(&self.asked.pins.serving)).await?;
        let step = match (plugin_state(state)?, self.asked.canary_weight) {
            (Some(plugin), _) => bound.plugin.serving(self.call(&bound).await?).advance(&plugin).await?,
            (None, None) => bound.plugin.serving(self.call(&bound).await?).start(&self.serving_request(state)).await?,
            (None, Some(weight)) => {
                let canary = bound.plugin.canary(self.call(&bound).await?);
                let begun = canary.start(&self.serving_request(state), weight).await?;
                state.plugin = Some(stepping::written(&begun));
                return Ok(Moved::On);
            }
        };
        match take(state, step)? {
            Err(waiting) => Ok(waiting),
            Ok(outcome) => {
                state.serving = Some(outcome);
                // The serving plugin's state stays: it finds the served model again, to inspect or remove it.
                state.phase = Phase::Completed;
                Ok(Moved::Completed)
            }
        }
    }

    fn serving_request(&self, state: &State) -> ServingRequest {
        ServingRequest {
            deployment_id: self.id(),
            model_name: self.asked.model_name.clone(),
            model_version: state.model_version.clone().unwrap_or_default(),
            image: state.image.clone(),
            model_files: state.model_files.clone(),
            requirements: self.asked.requirements.clone(),
            replicas: self.asked.replicas,
            namespace: self.asked.namespace.clone(),
        }
    }
}

impl Pipeline {
    /// The point-in-time join behind a deployment's features. Its `output` is set when the deployment has an id.
    pub(super) async fn training_features(&self, active: &Active, choice: &FeatureChoice) -> Result<HistoricalRequest> {
        let selections = self.selections(active, &choice.selected).await?;
        let rows = crate::features::entity_rows(choice.entities.clone())?;
        let known: Vec<&str> =
            selections.iter().flat_map(|selection| selection.features.iter().map(String::as_str)).collect();
        let is_feature = known.contains(&choice.target.as_str());
        if !is_feature && matches!(rows, asgard_contract::features::EntityRows::Latest) {
            return Err(Error::invalid(
                "target",
                format!("`{}` is none of the features: expected one of {}", choice.target, known.join(", ")),
            ));
        }
        Ok(HistoricalRequest { rows, selections, full_names: false, output: String::new() })
    }

    /// Ends what a finished deployment serves.
    pub(crate) async fn remove_served(&self, active: &Arc<Active>, task: &Task) -> Result<()> {
        let asked: Asked = stepping::asked(task)?;
        let state = State::of(task, &asked);
        if state.phase != Phase::Completed {
            return Ok(());
        }
        let Some(plugin) = plugin_state(&state)? else { return Ok(()) };
        let bound = self.pinned(active, Role::Serving, &asked.pins.serving).await?;
        let call = bound.call(&task.id, Arc::new(asgard_contract::log::Discard)).await?;
        bound.plugin.serving(call).remove(&plugin).await
    }
}
