//! The task behind a point-in-time join and a materialisation.

use std::sync::{Arc, Weak};

use asgard_contract::Result;
use asgard_contract::features::Request;
use asgard_contract::log::{Discard, LogSink};
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

    /// Has the plugin end what it does for the task; nothing before its first step.
    async fn end(&self, task: &Task, log: Arc<dyn LogSink>) -> Result<()> {
        let Some(state) = plugin_state(task)? else { return Ok(()) };
        let (bound, _) = self.bound(task).await?;
        bound.plugin.feature_source(bound.call(&task.id, log).await?).cancel(&state).await
    }

    async fn delete_output(&self, task: &Task) -> Result<()> {
        let asked: FeatureTask = stepping::asked(task)?;
        let Request::Historical(join) = asked.request else { return Ok(()) };
        let active = stepping::running(&self.pipeline)?.environments.get(&task.environment).await?;
        active.lender.delete_object(&join.output).await
    }
}

#[async_trait]
impl Handler for FeatureHandler {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        self.advance(task, context).await.unwrap_or_else(|error| StepOutcome::failed(task.state.clone(), error))
    }

    async fn cancel(&self, task: &Task, context: &StepContext) -> Result<()> {
        self.end(task, context.log()).await
    }

    /// Takes a join's rows away, which nobody will fetch, and what the plugin keeps to find them: one whose steps failed was not told.
    async fn give_up(&self, task: &Task) -> Result<()> {
        let ended = if task.cancel_requested { Ok(()) } else { self.end(task, Arc::new(Discard)).await };
        // After what could write it once more.
        self.delete_output(task).await.and(ended)
    }
}
