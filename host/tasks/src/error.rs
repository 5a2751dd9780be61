//! What can go wrong with tasks themselves; what goes wrong in a step is the task's own error.

use asgard_contract::Error;
use asgard_store::StoreError;

use crate::schedule::InvalidCron;

/// A result of this crate.
pub type TasksResult<T> = Result<T, TasksError>;

/// What cannot be done with a task or a schedule.
#[derive(Debug, thiserror::Error)]
pub enum TasksError {
    #[error("there is no task `{0}`")]
    NotFound(String),
    /// A defect of the host: it submits what it registered no handler for.
    #[error("no handler is registered for tasks of kind `{0}`")]
    UnknownKind(String),
    #[error(transparent)]
    Cron(#[from] InvalidCron),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<TasksError> for Error {
    fn from(error: TasksError) -> Self {
        match error {
            TasksError::NotFound(_) => Self::not_found(error.to_string()),
            TasksError::UnknownKind(_) => Self::internal(error.to_string()),
            TasksError::Cron(error) => Self::invalid("cron", error.to_string()),
            TasksError::Store(error) => error.into(),
        }
    }
}
