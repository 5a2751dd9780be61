//! Schedules: tasks that submit themselves. When they fire is the crate `asgard-tasks`' to say; here they fire once, whoever
//! asks.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::{Any, FromRow, Transaction};

use crate::statement::Statement;
use crate::tasks::{self, NewTask, Task};
use crate::{Store, StoreError, StoreResult, time};

/// What becomes of fires that no host saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Nothing: the next one comes by the clock.
    Skip,
    /// All of them come as one.
    #[default]
    Latest,
    /// Each of them comes.
    All,
}

/// What becomes of a fire while a task of its environment, kind and subject is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Nothing: the next one comes by the clock.
    #[default]
    Skip,
    /// Its task begins when that one has ended.
    Queue,
    /// Its task begins beside that one.
    Allow,
}

/// A schedule. Its id is unique in its environment; what it is for has the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub environment: String,
    pub id: String,
    pub cron: String,
    /// A name of the IANA database, such as `Europe/Berlin`.
    pub time_zone: String,
    pub catch_up: CatchUp,
    pub overlap: Overlap,
    /// What is submitted.
    pub task: NewTask,
    /// The moment of the expression that fired last.
    pub last_at: Option<DateTime<Utc>>,
    /// None: it never fires again.
    pub next_at: Option<DateTime<Utc>>,
}

/// What firing a schedule came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Fired {
    /// None where its fires were missed and are not caught up with.
    Submitted(Vec<Task>),
    /// The task with this id, of the same environment, kind and subject, is still under way.
    StillRunning(String),
    /// So many wait already that no more are added.
    Full,
    /// Another host was first, or the schedule changed.
    Outdated,
}

/// Tasks of one schedule that may wait for the one that is under way: enough for a night, too few to fill a database.
const LONGEST_QUEUE: i64 = 100;

const COLUMNS: &str = "environment, id, cron, time_zone, catch_up, overlap, task, last_at, next_at";

#[derive(FromRow)]
struct Row {
    environment: String,
    id: String,
    cron: String,
    time_zone: String,
    catch_up: String,
    overlap: String,
    task: String,
    last_at: Option<i64>,
    next_at: Option<i64>,
}

impl Row {
    fn schedule(self) -> StoreResult<Schedule> {
        let what = |part: &str| format!("the {part} of schedule `{}`", self.id);
        Ok(Schedule {
            task: serde_json::from_str(&self.task).map_err(|error| StoreError::unreadable(what("task"), error))?,
            catch_up: word(&self.catch_up).map_err(|error| StoreError::unreadable(what("catch-up policy"), error))?,
            overlap: word(&self.overlap).map_err(|error| StoreError::unreadable(what("overlap policy"), error))?,
            environment: self.environment,
            id: self.id,
            cron: self.cron,
            time_zone: self.time_zone,
            last_at: self.last_at.map(time::from_millis),
            next_at: self.next_at.map(time::from_millis),
        })
    }
}

/// A policy, as its serde name says it.
fn word<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_value(serde_json::Value::from(text))
}

fn word_of<T: Serialize>(policy: T) -> String {
    let value = serde_json::to_value(policy).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
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
            "INSERT INTO schedules (environment, id, cron, time_zone, catch_up, overlap, task, last_at, next_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (environment, id) DO UPDATE SET
                 cron = excluded.cron, time_zone = excluded.time_zone, catch_up = excluded.catch_up,
                 overlap = excluded.overlap, task = excluded.task, last_at = excluded.last_at, next_at = excluded.next_at",
        )
        .bind(&schedule.environment)
        .bind(&schedule.id)
        .bind(&schedule.cron)
        .bind(&schedule.time_zone)
        .bind(word_of(schedule.catch_up))
        .bind(word_of(schedule.overlap))
        .bind(task)
        .bind(schedule.last_at.map(|at| at.timestamp_millis()))
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
        let mut query = Statement::new(format!("SELECT {COLUMNS} FROM schedules WHERE environment = "));
        query.bind(environment).push(" AND id = ").bind(id);
        let row: Option<Row> = query.query_as().fetch_optional(self.readers()).await?;
        row.map(Row::schedule).transpose()
    }

    /// The schedules that are due at a moment.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn due_schedules(&self, at: DateTime<Utc>) -> StoreResult<Vec<Schedule>> {
        let mut query = Statement::new(format!("SELECT {COLUMNS} FROM schedules WHERE next_at <= "));
        query.bind(at.timestamp_millis()).push(" ORDER BY next_at");
        let rows: Vec<Row> = query.query_as().fetch_all(self.readers()).await?;
        rows.into_iter().map(Row::schedule).collect()
    }

    /// The schedules that fire again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn schedules(&self) -> StoreResult<Vec<Schedule>> {
        let query = Statement::new(format!("SELECT {COLUMNS} FROM schedules WHERE next_at IS NOT NULL"));
        let rows: Vec<Row> = query.query_as().fetch_all(self.readers()).await?;
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

    /// Fires a schedule as it was read, once for each of `moments`, and sets when it fires next, in one transaction: however many
    /// hosts see it due, one of them submits its tasks.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fire_schedule(
        &self,
        due: &Schedule,
        moments: &[DateTime<Utc>],
        next_at: Option<DateTime<Utc>>,
    ) -> StoreResult<Fired> {
        let mut write = self.write().await?;
        if !move_on(&mut write, due, due.next_at, next_at).await? {
            return Ok(Fired::Outdated);
        }
        let unfinished = tasks::unfinished(&mut write, &due.task).await?;
        let fired = match (due.overlap, unfinished) {
            (Overlap::Skip, Some(task)) => Fired::StillRunning(task.id),
            (Overlap::Queue, _) if tasks::count_unfinished(&mut write, &due.task).await? > LONGEST_QUEUE => Fired::Full,
            (overlap, _) => {
                let mut submitted = Vec::with_capacity(moments.len());
                for moment in moments {
                    let task = due.task.fired_at(*moment);
                    submitted.push(match overlap {
                        Overlap::Queue => self.insert_behind(&mut write, &task).await?,
                        Overlap::Skip | Overlap::Allow => self.insert(&mut write, &task).await?,
                    });
                }
                Fired::Submitted(submitted)
            }
        };
        write.commit().await?;
        Ok(fired)
    }

    /// Sets when a schedule that was read fires next; nothing happens when it fired or changed meanwhile.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn reschedule(&self, read: &Schedule, next_at: DateTime<Utc>) -> StoreResult<()> {
        let mut write = self.write().await?;
        move_on(&mut write, read, read.last_at, Some(next_at)).await?;
        Ok(write.commit().await?)
    }
}

/// Whether the schedule was still as it was read.
async fn move_on(
    write: &mut Transaction<'static, Any>,
    read: &Schedule,
    last_at: Option<DateTime<Utc>>,
    next_at: Option<DateTime<Utc>>,
) -> StoreResult<bool> {
    let moved = sqlx::query(
        "UPDATE schedules SET last_at = $1, next_at = $2
         WHERE environment = $3 AND id = $4 AND cron = $5 AND time_zone = $6 AND next_at = $7",
    )
    .bind(last_at.map(|at| at.timestamp_millis()))
    .bind(next_at.map(|at| at.timestamp_millis()))
    .bind(&read.environment)
    .bind(&read.id)
    .bind(&read.cron)
    .bind(&read.time_zone)
    .bind(read.next_at.map(|at| at.timestamp_millis()))
    .execute(&mut **write)
    .await?;
    Ok(moved.rows_affected() == 1)
}
