//! The task behind a point-in-time join and a materialisation.

use std::sync::{Arc, Weak};

use asgard_contract::Result;
use asgard_contract::features::Request;
use asgard_contract::manifest::Role;
use asgard_tasks::{Handler, StepContext, StepOutcome, Task};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Pipeline;
use crate::roles::Bound;
use crate::stepping::{self, plugin_state};

pub(crate) const KIND: &str = "features";

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
        let pipeline = stepping::running(&self.pipeline)?;
        let active = pipeline.environments.get(&task.environment).await?;
        let asked: FeatureTask = stepping::asked(task)?;
        Ok((pipeline.pinned(&active, Role::Features, &asked.pin).await?, asked))
    }

    async fn advance(&self, task: &Task, context: &StepContext) -> Result<StepOutcome> {
        let (bound, asked) = self.bound(task).await?;
        let source = bound.plugin.feature_source(bound.call(&task.id, context.log()).await?);
        let step = match plugin_state(task)? {
            None => source.start(&asked.request).await?,
            Some(state) => source.advance(&state).await?,
        };
        Ok(stepping::outcome(step))
    }
}

#[async_trait]
impl Handler for FeatureHandler {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        self.advance(task, context).await.unwrap_or_else(|error| StepOutcome::failed(task.state.clone(), error))
    }

    async fn cancel(&self, task: &Task, context: &StepContext) -> Result<()> {
        let Some(state) = plugin_state(task)? else { return Ok(()) };
        let (bound, _) = self.bound(task).await?;
        bound.plugin.feature_source(bound.call(&task.id, context.log()).await?).cancel(&state).await
    }
}
