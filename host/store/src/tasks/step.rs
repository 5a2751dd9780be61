//! What a step leaves behind, written in one transaction under the task's lease.

use std::time::Duration;

use asgard_contract::{Error, Progress};
use serde_json::Value;

use super::{Attempts, Lease, NewEvent, NewLogLine, TaskStatus, log};
use crate::{Store, StoreError, StoreResult, time};

/// Everything that changes; none leaves a column as it is.
#[derive(Debug)]
pub struct StepWrite<'a> {
    pub state: Option<&'a Value>,
    pub progress: Option<&'a Progress>,
    pub details: Option<&'a Value>,
    /// The plugin that the task has started with.
    pub plugin: Option<&'a str>,
    pub log: &'a [NewLogLine],
    pub events: &'a [NewEvent],
    pub next: Next,
}

/// What happens to the task.
#[derive(Debug, Clone)]
pub enum Next {
    /// The step goes on; the lease stays.
    GoesOn,
    /// The lease is given back, and the next step is due after that time; at once when a cancel was asked for.
    Due {
        after: Duration,
        attempts: Attempts,
    },
    /// Likewise, for a cancel that is to be tried again: not before then.
    CancelAgain {
        after: Duration,
        attempts: Attempts,
    },
    Succeeded {
        outcome: Value,
    },
    Failed {
        error: Error,
    },
    /// With what went wrong while its backend was told, where something did.
    Cancelled {
        error: Option<Error>,
    },
}

impl Next {
    /// Whether it is the task's end.
    pub fn is_final(&self) -> bool {
        self.status().is_final()
    }

    fn status(&self) -> TaskStatus {
        match self {
            Self::GoesOn | Self::Due { .. } | Self::CancelAgain { .. } => TaskStatus::Running,
            Self::Succeeded { .. } => TaskStatus::Succeeded,
            Self::Failed { .. } => TaskStatus::Failed,
            Self::Cancelled { .. } => TaskStatus::Cancelled,
        }
    }
}

impl Store {
    /// Writes all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when another worker has leased the task since.
    pub async fn write_step(&self, lease: &Lease, step: StepWrite<'_>) -> StoreResult<()> {
        let json = |value: &Value| value.to_string();
        let progress = step.progress.map(text).transpose()?;
        let mut write = self.write_rows().await?;
        let now = self.now_in(&mut write).await?;
        let written = sqlx::query(
            "UPDATE tasks SET updated_at = $1, status = $2, state = COALESCE($3, state),
                 progress = COALESCE($4, progress), details = COALESCE($5, details), plugin = COALESCE($6, plugin)
             WHERE id = $7 AND lease_token = $8 AND lease_owner IS NOT NULL AND finished_at IS NULL",
        )
        .bind(now)
        .bind(step.next.status().as_str())
        .bind(step.state.map(json))
        .bind(progress)
        .bind(step.details.map(json))
        .bind(step.plugin)
        .bind(&lease.task)
        .bind(lease.token)
        .execute(&mut *write)
        .await?;
        if written.rows_affected() == 0 {
            return Err(StoreError::LeaseLost(lease.task.clone()));
        }
        log::append(&mut write, &lease.task, step.log).await?;
        log::append_events(&mut write, &lease.task, step.events).await?;
        match &step.next {
            Next::GoesOn => {}
            Next::Due { after, attempts } | Next::CancelAgain { after, attempts } => {
                let cancel_at_once = matches!(step.next, Next::Due { .. });
                sqlx::query(
                    "UPDATE tasks SET lease_owner = NULL, lease_until = NULL, failures = $1, failing_since = $2,
                         retries = $3, due_at = CASE WHEN cancel_requested <> 0 AND $4 <> 0 THEN $5 ELSE $6 END
                     WHERE id = $7",
                )
                .bind(i64::from(attempts.failures))
                .bind(attempts.failing_since.map(|since| since.timestamp_millis()))
                .bind(i64::from(attempts.retries))
                .bind(i64::from(cancel_at_once))
                .bind(now)
                .bind(time::later(now, *after))
                .bind(&lease.task)
                .execute(&mut *write)
                .await?;
            }
            Next::Succeeded { .. } | Next::Failed { .. } | Next::Cancelled { .. } => {
                let (outcome, error) = match &step.next {
                    Next::Succeeded { outcome } => (Some(outcome.to_string()), None),
                    Next::Failed { error } | Next::Cancelled { error: Some(error) } => (None, Some(text(error)?)),
                    _ => (None, None),
                };
                sqlx::query(
                    "UPDATE tasks SET lease_owner = NULL, lease_until = NULL, finished_at = $1, outcome = $2, error = $3
                     WHERE id = $4",
                )
                .bind(now)
                .bind(outcome)
                .bind(error)
                .bind(&lease.task)
                .execute(&mut *write)
                .await?;
            }
        }
        Ok(write.commit().await?)
    }
}

fn text<T: serde::Serialize>(value: &T) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|error| StoreError::unreadable("a step", error))
}
