//! The contract's protocol for long work, as tasks keep it: one step of the plugin is one step of the task, and the plugin's
//! opaque state is text in the task's.

use std::sync::{Arc, Weak};
use std::time::Duration;

use asgard_contract::{Error, Result, Status, Step};
use asgard_tasks::{StepOutcome, Task};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Pipeline;

/// The pipeline, while the host runs.
pub(crate) fn running(pipeline: &Weak<Pipeline>) -> Result<Arc<Pipeline>> {
    pipeline.upgrade().ok_or_else(|| Error::unavailable("the host is stopping"))
}

/// What the task was asked.
pub(crate) fn asked<T: DeserializeOwned>(task: &Task) -> Result<T> {
    serde_json::from_value(task.request.clone())
        .map_err(|error| Error::internal(format!("the task's request cannot be read: {error}")))
}

/// A plugin's state as text.
pub(crate) fn written(state: &[u8]) -> String {
    STANDARD.encode(state)
}

/// The plugin's state behind its text.
pub(crate) fn read(text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|error| Error::internal(format!("the plugin's state cannot be read: {error}")))
}

/// The plugin's state in a task that [`outcome`] wrote; none before its first step.
pub(crate) fn plugin_state(task: &Task) -> Result<Option<Vec<u8>>> {
    task.state.as_str().map(read).transpose()
}

/// What a task with one plugin makes of the plugin's step.
pub(crate) fn outcome<T: Serialize>(step: Step<T>) -> StepOutcome {
    let (state, details) = (Value::String(written(&step.state)), step.details);
    match step.status {
        Status::Running { progress, poll_after_ms } => {
            let after = Duration::from_millis(u64::from(poll_after_ms));
            StepOutcome::Continue { state, progress: Some(progress), details, after }
        }
        Status::Succeeded { outcome } => {
            StepOutcome::Succeeded { state, outcome: serde_json::to_value(outcome).unwrap_or_default(), details }
        }
        Status::Failed { error } => StepOutcome::Failed { state, error, details },
    }
}
