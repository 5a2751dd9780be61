//! What a kind of task has to know: how to take a step, and how to end it early.

use std::time::Duration;

use asgard_contract::{Error, Progress, Result};
use async_trait::async_trait;
use serde_json::Value;

use crate::{StepContext, Task};

/// Takes the steps of one kind of task.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Takes one step from `task.state`, which is null before the first one. May be called again with the same state after a
    /// crash. Short steps make progress durable; a step that has to be long saves on its way and watches
    /// [`StepContext::cancelled`].
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome;

    /// Ends what the backend still does for a task that is to be cancelled. No step is running. May be called again, and for
    /// work that has ended or never began.
    ///
    /// # Errors
    /// A retryable one is tried again; any other is kept on the task, which is cancelled nevertheless.
    async fn cancel(&self, task: &Task, context: &StepContext) -> Result<()>;

    /// Takes away what the task keeps for a success that will not come: it failed for good, or was cancelled. No step is running, and
    /// the end is stored after this. May be called again, and for a task that never began.
    ///
    /// # Errors
    /// They are told in the task's log; it ends nevertheless.
    async fn give_up(&self, _task: &Task) -> Result<()> {
        Ok(())
    }
}

/// What a step came to. `details` that are null or empty say nothing new.
#[derive(Debug, Clone, PartialEq)]
pub enum StepOutcome {
    /// The next step is due in `after`.
    Continue {
        state: Value,
        progress: Option<Progress>,
        details: Value,
        after: Duration,
    },
    Succeeded {
        state: Value,
        outcome: Value,
        details: Value,
    },
    /// Repeated when the error is retryable, else the task's end.
    Failed {
        state: Value,
        error: Error,
        details: Value,
    },
    /// The step returned early because it was told to; it goes on from `state`.
    Interrupted {
        state: Value,
    },
}

impl StepOutcome {
    /// Done, with nothing to show for it but the state.
    pub fn succeeded(state: Value) -> Self {
        Self::Succeeded { state, outcome: Value::Null, details: Value::Null }
    }

    /// Failed, with nothing new about the backend.
    pub fn failed(state: Value, error: Error) -> Self {
        Self::Failed { state, error, details: Value::Null }
    }

    /// See [`StepOutcome::Interrupted`].
    pub fn interrupted(state: Value) -> Self {
        Self::Interrupted { state }
    }
}
