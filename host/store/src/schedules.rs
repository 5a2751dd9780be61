//! Schedules: tasks that submit themselves. When they fire is the crate `asgard-tasks`' to say; here they fire once, whoever
//! asks.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::tasks::{self, NewTask, Task};
use crate::{Store, StoreError, StoreResult, time};

/// A schedule. Its id is unique in its environment; what it is for has the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub environment: String,
    pub id: String,
    pub cron: String,
    /// What is submitted.
    pub task: NewTask,
    /// None: it never fires again.
    pub next_at: Option<DateTime<Utc>>,
}

/// What firing a schedule came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Fired {
    Submitted(Task),
    /// This task of the same environment, kind and subject is still under way.
    StillRunning(Task),
    /// Another host was first, or the schedule changed.
    Outdated,
}

#[derive(FromRow)]
struct Row {
    environment: String,
    id: String,
    cron: String,
    task: String,
    next_at: Option<i64>,
}

impl Row {
    fn schedule(self) -> StoreResult<Schedule> {
        let task = serde_json::from_str(&self.task)
            .map_err(|error| StoreError::unreadable(format!("the task of schedule `{}`", self.id), error))?;
        Ok(Schedule {
            environment: self.environment,
            id: self.id,
            cron: self.cron,
            task,
            next_at: self.next_at.map(time::from_millis),
        })
    }
}

impl Store {
    /// Stores a schedule, in the place of the one with this id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put_schedule(&self, schedule: &Schedule) -> StoreResult<()> {
        let task = serde_json::to_string(&schedule.task)
            .map_err(|error| StoreError::unreadable(format!("the task of schedule `{}`", schedule.id), error))?;
        sqlx::query(
            "INSERT INTO schedules (environment, id, cron, task, next_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (environment, id) DO UPDATE SET
                 cron = excluded.cron, task = excluded.task, next_at = excluded.next_at",
        )
        .bind(&schedule.environment)
        .bind(&schedule.id)
        .bind(&schedule.cron)
        .bind(task)
        .bind(schedule.next_at.map(|at| at.timestamp_millis()))
        .execute(self.writer())
        .await?;
        Ok(())
    }

    /// Removes a schedule; one that is gone already is no error.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_schedule(&self, environment: &str, id: &str) -> StoreResult<()> {
        sqlx::query("DELETE FROM schedules WHERE environment = $1 AND id = $2")
            .bind(environment)
            .bind(id)
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// A schedule by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn schedule(&self, environment: &str, id: &str) -> StoreResult<Option<Schedule>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT environment, id, cron, task, next_at FROM schedules WHERE environment = $1 AND id = $2",
        )
        .bind(environment)
        .bind(id)
        .fetch_optional(self.readers())
        .await?;
        row.map(Row::schedule).transpose()
    }

    /// The schedules that are due at a moment.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn due_schedules(&self, at: DateTime<Utc>) -> StoreResult<Vec<Schedule>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT environment, id, cron, task, next_at FROM schedules WHERE next_at <= $1 ORDER BY next_at",
        )
        .bind(at.timestamp_millis())
        .fetch_all(self.readers())
        .await?;
        rows.into_iter().map(Row::schedule).collect()
    }

    /// When the next schedule is due.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next_schedule(&self) -> StoreResult<Option<DateTime<Utc>>> {
        let (next,): (Option<i64>,) =
            sqlx::query_as("SELECT MIN(next_at) FROM schedules").fetch_one(self.readers()).await?;
        Ok(next.map(time::from_millis))
    }

    /// Fires a schedule as it was read, and sets when it fires next, in one transaction: however many hosts see it due, one
    /// of them submits its task.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fire_schedule(&self, due: &Schedule, next_at: Option<DateTime<Utc>>) -> StoreResult<Fired> {
        let mut write = self.write().await?;
        let moved = sqlx::query(
            "UPDATE schedules SET next_at = $1 WHERE environment = $2 AND id = $3 AND cron = $4 AND next_at = $5",
        )
        .bind(next_at.map(|at| at.timestamp_millis()))
        .bind(&due.environment)
        .bind(&due.id)
        .bind(&due.cron)
        .bind(due.next_at.map(|at| at.timestamp_millis()))
        .execute(&mut *write)
        .await?;
        if moved.rows_affected() == 0 {
            return Ok(Fired::Outdated);
        }
        let fired = match tasks::unfinished(&mut write, &due.task).await? {
            Some(task) => Fired::StillRunning(task),
            None => Fired::Submitted(self.insert(&mut write, &due.task).await?),
        };
        write.commit().await?;
        Ok(fired)
    }
}
