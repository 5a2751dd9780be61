//! The task behind a silver run and a gold transformation.
//!
//! A task that is audited writes to a branch of the catalog that is its own, runs its checks there, and merges the branch when they
//! pass: nobody reads a table whose checks failed. Without a branch, checks run on the table as it was published, and tell.

use std::sync::{Arc, Weak};
use std::time::Duration;

use asgard_contract::lakehouse::Dialect;
use asgard_contract::manifest::Role;
use asgard_contract::transform::Request;
use asgard_contract::{Error, Progress, Result};
use asgard_tasks::{Handler, StepContext, StepOutcome, Task};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::checks::{self, Check};
use crate::Pipeline;
use crate::environments::Active;
use crate::roles::Bound;
use crate::stepping;

/// Task kinds. The subject is the run's or the transformation's id.
pub(crate) const SILVER: &str = "silver";
pub(crate) const GOLD: &str = "gold";

/// What the task was asked; stored as the task's request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TransformTask {
    /// The plugin that was bound when the task was made.
    pub(super) pin: String,
    pub(super) request: Request,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) checks: Vec<Check>,
    /// Whether it writes to a branch and is published by a merge.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) audit: bool,
}

impl TransformTask {
    fn namespace(&self) -> &str {
        match &self.request {
            Request::Silver(run) => &run.target.namespace,
            Request::Gold(model) => &model.target.namespace,
        }
    }
}

/// How far a task is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// The plugin's own, as text; none before its first step.
    #[serde(default)]
    plugin: Option<String>,
    /// The plugin's outcome, once it is done; checks come next.
    #[serde(default)]
    written: Option<Value>,
    /// What the plugin said last about its backend.
    #[serde(default)]
    details: Value,
}

impl State {
    fn of(task: &Task) -> Result<Self> {
        if task.state.is_null() {
            return Ok(Self::default());
        }
        serde_json::from_value(task.state.clone())
            .map_err(|error| Error::internal(format!("the task's state cannot be read: {error}")))
    }

    fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

pub(super) struct TransformHandler {
    pipeline: Weak<Pipeline>,
}

/// One step of one task.
struct Work {
    pipeline: Arc<Pipeline>,
    /// The environment, and the same on the task's branch where it has one.
    active: Arc<Active>,
    place: Arc<Active>,
    asked: TransformTask,
    role: Role,
}

impl TransformHandler {
    pub(super) fn new(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::downgrade(pipeline) }
    }

    async fn work(&self, task: &Task) -> Result<Work> {
        let pipeline = stepping::running(&self.pipeline)?;
        let active = pipeline.environments.get(&task.environment).await?;
        let asked: TransformTask = stepping::asked(task)?;
        let role = if task.kind == SILVER { Role::Silver } else { Role::Gold };
        let place = if asked.audit {
            let catalog = active.lakehouse.make_branch(&branch(task), asked.namespace()).await?;
            pipeline.environments.on_branch(&active, &branch(task), &catalog).await?
        } else {
            Arc::clone(&active)
        };
        Ok(Work { pipeline, active, place, asked, role })
    }

    async fn advance(&self, task: &Task, context: &StepContext) -> Result<StepOutcome> {
        let work = self.work(task).await?;
        let state = State::of(task)?;
        match &state.written {
            None => work.write(task, state, context).await,
            Some(_) => work.check(task, state).await,
        }
    }
}

impl Work {
    async fn bound(&self) -> Result<Bound> {
        self.pipeline.pinned(&self.place, self.role, &self.asked.pin).await
    }

    async fn write(&self, task: &Task, mut state: State, context: &StepContext) -> Result<StepOutcome> {
        let bound = self.bound().await?;
        let transform = bound.plugin.transform(bound.call(&task.id, context.log()).await?);
        let step = match &state.plugin {
            None => transform.start(&self.asked.request).await?,
            Some(plugin) => transform.advance(&stepping::read(plugin)?).await?,
        };
        state.plugin = Some(stepping::written(&step.state));
        state.details = step.details.clone();
        Ok(match stepping::outcome(step) {
            StepOutcome::Succeeded { outcome, details, .. } => {
                if self.asked.checks.is_empty() && !self.asked.audit {
                    return Ok(StepOutcome::Succeeded { state: state.value(), outcome, details });
                }
                state.written = Some(outcome);
                let message = format!("checking: {} checks", self.asked.checks.len());
                let progress = Some(Progress { message, fraction: None });
                StepOutcome::Continue { state: state.value(), progress, details, after: Duration::ZERO }
            }
            StepOutcome::Failed { error, details, .. } => StepOutcome::Failed { state: state.value(), error, details },
            StepOutcome::Continue { progress, details, after, .. } => {
                StepOutcome::Continue { state: state.value(), progress, details, after }
            }
            StepOutcome::Interrupted { .. } => StepOutcome::interrupted(state.value()),
        })
    }

    async fn check(&self, task: &Task, state: State) -> Result<StepOutcome> {
        let dialect = if self.role == Role::Silver { Dialect::Spark } else { Dialect::Trino };
        let done = checks::run(&self.place.lakehouse, dialect, &self.asked.checks).await?;
        let mut details = if state.details.is_object() { state.details.clone() } else { json!({}) };
        details["checks"] = json!(done);
        if let Some(verdict) = checks::verdict(&done) {
            let published = if self.asked.audit { "; nothing was published" } else { "" };
            let error = Error::invalid("checks", format!("{verdict}{published}"));
            return Ok(StepOutcome::Failed { state: state.value(), error, details });
        }
        if self.asked.audit {
            self.active.lakehouse.merge_branch(&branch(task)).await?;
            self.pipeline.environments.leave_branch(&task.environment, &branch(task)).await;
        }
        let outcome = state.written.clone().unwrap_or_default();
        Ok(StepOutcome::Succeeded { state: state.value(), outcome, details })
    }
}

/// Of one task.
fn branch(task: &Task) -> String {
    format!("asgard-{}", task.id)
}

#[async_trait]
impl Handler for TransformHandler {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        self.advance(task, context).await.unwrap_or_else(|error| StepOutcome::failed(task.state.clone(), error))
    }

    async fn cancel(&self, task: &Task, context: &StepContext) -> Result<()> {
        let Some(plugin) = State::of(task)?.plugin else { return Ok(()) };
        let work = self.work(task).await?;
        let bound = work.bound().await?;
        bound.plugin.transform(bound.call(&task.id, context.log()).await?).cancel(&stepping::read(&plugin)?).await
    }

    /// Takes the task's branch away, which nobody will publish.
    async fn give_up(&self, task: &Task) -> Result<()> {
        let asked: TransformTask = stepping::asked(task)?;
        if !asked.audit {
            return Ok(());
        }
        let pipeline = stepping::running(&self.pipeline)?;
        let branch = branch(task);
        pipeline.environments.leave_branch(&task.environment, &branch).await;
        let active = pipeline.environments.get(&task.environment).await?;
        let deleted = active.lakehouse.delete_branch(&branch).await;
        deleted.map_err(|error| error.about(&format!("branch `{branch}`")))
    }
}
