//! The task behind a silver run and a gold transformation: one step of the plugin per step of the task.

use std::sync::{Arc, Weak};
use std::time::Duration;

use asgard_contract::manifest::Role;
use asgard_contract::transform::Request;
use asgard_contract::{Error, Result, Status};
use asgard_tasks::{Handler, StepContext, StepOutcome, Task};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Pipeline;
use crate::roles::Bound;

/// Task kinds. The subject is the run's or the transformation's id.
pub(super) const SILVER: &str = "silver";
pub(super) const GOLD: &str = "gold";

/// What the task was asked; stored as the task's request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TransformTask {
    /// The plugin that was bound when the task was made.
    pub(super) pin: String,
    pub(super) request: Request,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// The plugin's own, base64; none before its first step.
    plugin: Option<String>,
}

pub(super) struct TransformHandler {
    pipeline: Weak<Pipeline>,
}

impl TransformHandler {
    pub(super) fn new(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::downgrade(pipeline) }
    }

    async fn bound(&self, task: &Task) -> Result<(Bound, TransformTask)> {
        let pipeline = self.pipeline.upgrade().ok_or_else(|| Error::unavailable("the host is stopping"))?;
        let active = pipeline.environments.get(&task.environment).await?;
        let asked: TransformTask = serde_json::from_value(task.request.clone())
            .map_err(|error| Error::internal(format!("the task's request cannot be read: {error}")))?;
        let role = if task.kind == SILVER { Role::Silver } else { Role::Gold };
        let bound = pipeline.pinned(&active, role, &asked.pin).await?;
        Ok((bound, asked))
    }

    async fn advance(&self, task: &Task, context: &StepContext) -> Result<StepOutcome> {
        let (bound, asked) = self.bound(task).await?;
        let transform = bound.plugin.transform(bound.call(&task.id, context.log()).await?);
        let step = match plugin_state(task)? {
            None => transform.start(&asked.request).await?,
            Some(state) => transform.advance(&state).await?,
        };
        let state = State { plugin: Some(STANDARD.encode(&step.state)) };
        let state = serde_json::to_value(state).unwrap_or_default();
        Ok(match step.status {
            Status::Running { progress, poll_after_ms } => StepOutcome::Continue {
                state,
                progress: Some(progress),
                details: step.details,
                after: Duration::from_millis(u64::from(poll_after_ms)),
            },
            Status::Succeeded { outcome } => StepOutcome::Succeeded {
                state,
                outcome: serde_json::to_value(outcome).unwrap_or_default(),
                details: step.details,
            },
            Status::Failed { error } => StepOutcome::Failed { state, error, details: step.details },
        })
    }
}

fn plugin_state(task: &Task) -> Result<Option<Vec<u8>>> {
    let state: State = serde_json::from_value(task.state.clone()).unwrap_or_default();
    let decode = |text: String| {
        STANDARD.decode(text).map_err(|error| Error::internal(format!("the plugin's state cannot be read: {error}")))
    };
    state.plugin.map(decode).transpose()
}

#[async_trait]
impl Handler for TransformHandler {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        match self.advance(task, context).await {
            Ok(outcome) => outcome,
            Err(error) => StepOutcome::Failed { state: task.state.clone(), error, details: Value::Null },
        }
    }

    async fn cancel(&self, task: &Task, context: &StepContext) -> Result<()> {
        let Some(state) = plugin_state(task)? else { return Ok(()) };
        let (bound, _) = self.bound(task).await?;
        bound.plugin.transform(bound.call(&task.id, context.log()).await?).cancel(&state).await
    }
}
