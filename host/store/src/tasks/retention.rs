//! How long ended tasks are kept.
//!
//! A log goes first: it is the greatest part of a task. The task itself goes later, and only once a newer one of its environment,
//! kind and subject has succeeded. So what a resource names as its newest run is always there, and so is what lineage needs of what
//! is there still: a deployment and a silver run are subjects of their own and stay, and so does the last task that wrote a table.

use std::time::Duration;

use crate::{Store, StoreResult};

/// In one transaction: others that write wait for it.
const AT_ONCE: i64 = 200;

/// How long after its end a task is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskRetention {
    /// Its lines and events.
    pub logs: Duration,
    /// The task itself, and its log with it.
    pub tasks: Duration,
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Tasks whose lines and events were.
    pub logs: u64,
    pub tasks: u64,
}

impl Store {
    /// Removes what is kept no longer. Several hosts may do so at once.
    ///
    /// # Errors
    /// Those of the database; what was removed until then is.
    pub async fn remove_old_tasks(&self, keep: TaskRetention) -> StoreResult<Removed> {
        let now = self.now().await?.timestamp_millis();
        let before = |kept: Duration| now.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
        let mut removed = Removed::default();
        loop {
            let some = self.remove_some_tasks(before(keep.tasks)).await?;
            removed.tasks += some;
            if some == 0 {
                break;
            }
        }
        loop {
            let some = self.remove_some_logs(before(keep.logs)).await?;
            removed.logs += some;
            if some == 0 {
                return Ok(removed);
            }
        }
    }

    async fn remove_some_tasks(&self, before: i64) -> StoreResult<u64> {
        let removed = sqlx::query(
            "DELETE FROM tasks WHERE id IN (SELECT id FROM tasks old WHERE old.finished_at < $1 AND EXISTS (
                 SELECT 1 FROM tasks newer WHERE newer.environment = old.environment AND newer.kind = old.kind
                     AND newer.subject = old.subject AND newer.id > old.id AND newer.status = 'succeeded'
             ) LIMIT $2)",
        )
        .bind(before)
        .bind(AT_ONCE)
        .execute(self.writer())
        .await?;
        Ok(removed.rows_affected())
    }

    async fn remove_some_logs(&self, before: i64) -> StoreResult<u64> {
        let mut write = self.write_rows().await?;
        let old: Vec<(String,)> = sqlx::query_as(
            "SELECT id FROM tasks old WHERE old.finished_at < $1 AND (
                 EXISTS (SELECT 1 FROM task_log WHERE task_id = old.id)
                 OR EXISTS (SELECT 1 FROM task_events WHERE task_id = old.id)) LIMIT $2",
        )
        .bind(before)
        .bind(AT_ONCE)
        .fetch_all(&mut *write)
        .await?;
        for (task,) in &old {
            for statement in ["DELETE FROM task_log WHERE task_id = $1", "DELETE FROM task_events WHERE task_id = $1"] {
                sqlx::query(statement).bind(task).execute(&mut *write).await?;
            }
        }
        write.commit().await?;
        Ok(old.len() as u64)
    }
}
