//! The task behind a silver run and a gold transformation.

use std::sync::{Arc, Weak};

use asgard_contract::Result;
use asgard_contract::manifest::Role;
use asgard_contract::transform::Request;
use asgard_tasks::{Handler, StepContext, StepOutcome, Task};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Pipeline;
use crate::roles::Bound;
use crate::stepping::{self, plugin_state};

/// Task kinds. The subject is the run's or the transformation's id.
pub(crate) const SILVER: &str = "silver";
pub(crate) const GOLD: &str = "gold";

/// What the task was asked; stored as the task's request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TransformTask {
    /// The plugin that was bound when the task was made.
    pub(super) pin: String,
    pub(super) request: Request,
}

pub(super) struct TransformHandler {
    pipeline: Weak<Pipeline>,
}

impl TransformHandler {
    pub(super) fn new(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::downgrade(pipeline) }
    }

    async fn bound(&self, task: &Task) -> Result<(Bound, TransformTask)> {
        let pipeline = stepping::running(&self.pipeline)?;
        let active = pipeline.environments.get(&task.environment).await?;
        let asked: TransformTask = stepping::asked(task)?;
        let role = if task.kind == SILVER { Role::Silver } else { Role::Gold };
        Ok((pipeline.pinned(&active, role, &asked.pin).await?, asked))
    }

    async fn advance(&self, task: &Task, context: &StepContext) -> Result<StepOutcome> {
        let (bound, asked) = self.bound(task).await?;
        let transform = bound.plugin.transform(bound.call(&task.id, context.log()).await?);
        let step = match plugin_state(task)? {
            None => transform.start(&asked.request).await?,
            Some(state) => transform.advance(&state).await?,
        };
        Ok(stepping::outcome(step))
    }
}

#[async_trait]
impl Handler for TransformHandler {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        self.advance(task, context).await.unwrap_or_else(|error| StepOutcome::failed(task.state.clone(), error))
    }

    async fn cancel(&self, task: &Task, context: &StepContext) -> Result<()> {
        let Some(state) = plugin_state(task)? else { return Ok(()) };
        let (bound, _) = self.bound(task).await?;
        bound.plugin.transform(bound.call(&task.id, context.log()).await?).cancel(&state).await
    }
}
