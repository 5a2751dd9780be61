//! The task behind a point-in-time join and a materialisation: one step of the plugin per step of the task.

use std::sync::{Arc, Weak};
use std::time::Duration;

use asgard_contract::features::Request;
use asgard_contract::manifest::Role;
use asgard_contract::{Error, Result, Status};
use asgard_tasks::{Handler, StepContext, StepOutcome, Task};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Pipeline;
use crate::roles::Bound;

pub(super) const KIND: &str = "features";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FeatureTask {
    pub(super) pin: String,
    pub(super) request: Request,
}

pub(super) struct FeatureHandler {
    pipeline: Weak<Pipeline>,
}

impl FeatureHandler {
    pub(super) fn new(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::downgrade(pipeline) }
    }

    async fn bound(&self, task: &Task) -> Result<(Bound, FeatureTask)> {
        let pipeline = self.pipeline.upgrade().ok_or_else(|| Error::unavailable("the host is stopping"))?;
        let active = pipeline.environments.get(&task.environment).await?;
        let asked: FeatureTask = serde_json::from_value(task.request.clone())
            .map_err(|error| Error::internal(format!("the task's request cannot be read: {error}")))?;
        Ok((pipeline.pinned(&active, Role::Features, &asked.pin).await?, asked))
    }

    async fn advance(&self, task: &Task, context: &StepContext) -> Result<StepOutcome> {
        let (bound, asked) = self.bound(task).await?;
        let source = bound.plugin.feature_source(bound.call(&task.id, context.log()).await?);
        let step = match plugin_state(task)? {
            None => source.start(&asked.request).await?,
            Some(state) => source.advance(&state).await?,
        };
        let state = Value::String(STANDARD.encode(&step.state));
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
    let decode = |text: &str| {
        STANDARD.decode(text).map_err(|error| Error::internal(format!("the plugin's state cannot be read: {error}")))
    };
    task.state.as_str().map(decode).transpose()
}

#[async_trait]
impl Handler for FeatureHandler {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        match self.advance(task, context).await {
            Ok(outcome) => outcome,
            Err(error) => StepOutcome::Failed { state: task.state.clone(), error, details: Value::Null },
        }
    }

    async fn cancel(&self, task: &Task, context: &StepContext) -> Result<()> {
        let Some(state) = plugin_state(task)? else { return Ok(()) };
        let (bound, _) = self.bound(task).await?;
        bound.plugin.feature_source(bound.call(&task.id, context.log()).await?).cancel(&state).await
    }
}
