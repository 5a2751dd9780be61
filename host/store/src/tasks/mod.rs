//! Tasks: any work longer than a request, as rows. What makes them move is the crate `asgard-tasks`.
//!
//! A task that is not finished is either free and due at some time, or leased: one worker owns it until a time that it keeps
//! moving. Every lease has a greater token than the one before, and every write of a worker names its token, so a worker
//! that was paused past its lease cannot overwrite what the next one did ([`StoreError::LeaseLost`](crate::StoreError)).

mod fairness;
mod lease;
mod log;
mod retention;
mod step;

use asgard_contract::{Error, Progress};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{Any, FromRow, Transaction};
use uuid::Uuid;

pub use fairness::{Concurrency, Limits, WAITING};
pub use lease::{Attempts, Held, Lease, Leased};
pub use log::{Event, LogLine, NewEvent, NewLogLine};
pub use retention::{Removed, TaskRetention};
pub use step::{Next, StepWrite};

use crate::statement::Statement;
use crate::{Store, StoreError, StoreResult, time};

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// No worker has had it yet.
    Pending,
    /// A worker has it, or it waits for its next step.
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl TaskStatus {
    const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Whether nothing can change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// As in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A task as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Newer tasks have greater ids.
    pub id: String,
    pub environment: String,
    /// Which handler takes its steps.
    pub kind: String,
    /// What it is about: an ingestion's id, a run's id.
    pub subject: Option<String>,
    /// `name@version sha256:…` of the plugin that it started with.
    pub plugin: Option<String>,
    /// What was asked; never changes.
    pub request: Value,
    /// The handler's own; null before the first step.
    pub state: Value,
    pub status: TaskStatus,
    pub progress: Option<Progress>,
    /// What the backend tells about itself; an object.
    pub details: Value,
    /// Of a task that succeeded.
    pub outcome: Option<Value>,
    /// Of a task that failed.
    pub error: Option<Error>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Begin of the first step.
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// Somebody asked for its end.
    pub cancel_requested: bool,
    /// The piece of other work that it is a part of.
    pub parent: Option<String>,
}

/// A task to be submitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewTask {
    environment: String,
    kind: String,
    subject: Option<String>,
    plugin: Option<String>,
    #[serde(default)]
    backend: Option<String>,
    request: Value,
    #[serde(default)]
    parent: Option<String>,
}

impl NewTask {
    /// A task of an environment for the handler of `kind`.
    pub fn new(environment: &str, kind: &str) -> Self {
        Self {
            environment: environment.to_owned(),
            kind: kind.to_owned(),
            subject: None,
            plugin: None,
            backend: None,
            request: Value::Null,
            parent: None,
        }
    }

    /// The piece of other work that it is a part of. A second task of one parent is the first one.
    #[must_use]
    pub fn parent(mut self, parent: Option<&str>) -> Self {
        self.parent = parent.map(str::to_owned);
        self
    }

    /// What it is about; tasks of one subject are found together.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        self.subject = Some(subject.to_owned());
        self
    }

    /// The plugin that it starts with.
    #[must_use]
    pub fn plugin(mut self, plugin: &str) -> Self {
        self.plugin = Some(plugin.to_owned());
        self
    }

    /// The name of the plugin that it will use, where which version that is shows when it begins: limits count by it.
    #[must_use]
    pub fn backend(mut self, name: &str) -> Self {
        self.backend = Some(name.to_owned());
        self
    }

    /// What is asked of the handler.
    #[must_use]
    pub fn request(mut self, request: Value) -> Self {
        self.request = request;
        self
    }

    /// What a schedule submits for one of its moments: `fired_at` of the request says which, where the request has fields.
    pub(crate) fn fired_at(&self, moment: DateTime<Utc>) -> Self {
        let mut task = self.clone();
        if let Value::Object(asked) = &mut task.request {
            asked.insert("fired_at".to_owned(), moment.to_rfc3339().into());
        }
        task
    }

    /// Which handler takes its steps.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    fn backend_name(&self) -> Option<&str> {
        let pinned = self.plugin.as_deref().and_then(|plugin| plugin.split('@').next());
        self.backend.as_deref().or(pinned)
    }
}

/// Which tasks to list; everything that is not set matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    environment: Option<String>,
    kind: Option<String>,
    subject: Option<String>,
    status: Option<TaskStatus>,
}

impl TaskFilter {
    /// Only those of an environment.
    #[must_use]
    pub fn environment(mut self, environment: &str) -> Self {
        self.environment = Some(environment.to_owned());
        self
    }

    /// Only those of a kind.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = Some(kind.to_owned());
        self
    }

    /// Only those about a subject.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        self.subject = Some(subject.to_owned());
        self
    }

    /// Only those of a status.
    #[must_use]
    pub fn status(mut self, status: TaskStatus) -> Self {
        self.status = Some(status);
        self
    }

    fn push<'a>(&'a self, query: &mut Statement<'a>) {
        let text = [("environment", &self.environment), ("kind", &self.kind), ("subject", &self.subject)];
        for (column, value) in text {
            if let Some(value) = value {
                query.push(" AND ").push(column).push(" = ").bind(value);
            }
        }
        if let Some(status) = self.status {
            query.push(" AND status = ").bind(status.as_str());
        }
    }
}

/// The columns of [`Row`]. Named, never `*`: a running host must not stumble over a column that a newer one adds.
const COLUMNS: &str = "id, environment, kind, subject, plugin, request, state, status, progress, details, outcome, error, \
    created_at, updated_at, started_at, finished_at, cancel_requested, failures, failing_since, retries, lease_token, parent";

#[derive(FromRow)]
struct Row {
    id: String,
    environment: String,
    kind: String,
    subject: Option<String>,
    plugin: Option<String>,
    request: String,
    state: String,
    status: String,
    progress: Option<String>,
    details: String,
    outcome: Option<String>,
    error: Option<String>,
    created_at: i64,
    updated_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    cancel_requested: i64,
    failures: i64,
    failing_since: Option<i64>,
    retries: i64,
    lease_token: i64,
    parent: Option<String>,
}

impl Row {
    fn task(self) -> StoreResult<Task> {
        let unreadable =
            |part: &str, reason: String| StoreError::unreadable(format!("{part} of task `{}`", self.id), reason);
        let json = |part: &str, text: &str| {
            serde_json::from_str::<Value>(text).map_err(|error| unreadable(part, error.to_string()))
        };
        Ok(Task {
            request: json("the request", &self.request)?,
            state: json("the state", &self.state)?,
            status: TaskStatus::ALL
                .into_iter()
                .find(|status| status.as_str() == self.status)
                .ok_or_else(|| unreadable("the status", format!("`{}` is none", self.status)))?,
            progress: self
                .progress
                .as_deref()
                .map(serde_json::from_str)
                .transpose()
                .map_err(|error| unreadable("the progress", error.to_string()))?,
            details: json("the details", &self.details)?,
            outcome: self.outcome.as_deref().map(|text| json("the outcome", text)).transpose()?,
            error: self
                .error
                .as_deref()
                .map(serde_json::from_str)
                .transpose()
                .map_err(|error| unreadable("the error", error.to_string()))?,
            created_at: time::from_millis(self.created_at),
            updated_at: time::from_millis(self.updated_at),
            started_at: self.started_at.map(time::from_millis),
            finished_at: self.finished_at.map(time::from_millis),
            cancel_requested: self.cancel_requested != 0,
            id: self.id,
            environment: self.environment,
            kind: self.kind,
            subject: self.subject,
            plugin: self.plugin,
            parent: self.parent,
        })
    }
}

impl Store {
    /// Stores a task that is due at once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn insert_task(&self, new: &NewTask) -> StoreResult<Task> {
        let mut write = self.write().await?;
        let task = self.insert(&mut write, new).await?;
        write.commit().await?;
        Ok(task)
    }

    /// Stores a task that begins when the older ones of its environment, kind and subject have ended.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn insert_task_behind(&self, new: &NewTask) -> StoreResult<Task> {
        let mut write = self.write().await?;
        let task = self.insert_behind(&mut write, new).await?;
        write.commit().await?;
        Ok(task)
    }

    /// Stores a task, unless one of its environment, kind and subject is not finished yet: then that one is the answer. Two
    /// callers at once get the same task.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn insert_task_unless_unfinished(&self, new: &NewTask) -> StoreResult<Task> {
        let mut write = self.write().await?;
        if let Some(task) = child(&mut write, new).await? {
            return Ok(task);
        }
        if let Some(task) = unfinished(&mut write, new).await? {
            return Ok(task);
        }
        let task = self.insert(&mut write, new).await?;
        write.commit().await?;
        Ok(task)
    }

    /// A task by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn task(&self, id: &str) -> StoreResult<Option<Task>> {
        let row: Option<Row> = by_id(id).query_as().fetch_optional(self.readers()).await?;
        row.map(Row::task).transpose()
    }

    /// A page of tasks, newest first, and how many match in all.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tasks(&self, filter: &TaskFilter, limit: u32, offset: u64) -> StoreResult<(Vec<Task>, u64)> {
        let mut read = self.read().await?;
        let mut count = Statement::new("SELECT COUNT(*) FROM tasks WHERE TRUE");
        filter.push(&mut count);
        let (total,): (i64,) = count.query_as().fetch_one(&mut *read).await?;
        let mut page = Statement::new(format!("SELECT {COLUMNS} FROM tasks WHERE TRUE"));
        filter.push(&mut page);
        page.push(" ORDER BY id DESC LIMIT ").bind(i64::from(limit));
        page.push(" OFFSET ").bind(i64::try_from(offset).unwrap_or(i64::MAX));
        let rows: Vec<Row> = page.query_as().fetch_all(&mut *read).await?;
        Ok((rows.into_iter().map(Row::task).collect::<StoreResult<_>>()?, total.unsigned_abs()))
    }

    /// Asks for a task's end. One that no worker had yet ends here; for another, its worker is told by the request, and ends
    /// it. Nothing happens to a finished one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn request_cancel(&self, id: &str) -> StoreResult<Task> {
        let mut write = self.write_rows().await?;
        let now = self.now_in(&mut write).await?;
        sqlx::query(
            "UPDATE tasks SET status = 'cancelled', cancel_requested = 1, finished_at = $1, updated_at = $1
             WHERE id = $2 AND status = 'pending' AND lease_owner IS NULL",
        )
        .bind(now)
        .bind(id)
        .execute(&mut *write)
        .await?;
        sqlx::query(
            "UPDATE tasks SET cancel_requested = 1, due_at = $1, updated_at = $1
             WHERE id = $2 AND finished_at IS NULL AND cancel_requested = 0",
        )
        .bind(now)
        .bind(id)
        .execute(&mut *write)
        .await?;
        let row: Option<Row> = by_id(id).query_as().fetch_optional(&mut *write).await?;
        write.commit().await?;
        row.ok_or_else(|| StoreError::NotFound(format!("there is no task `{id}`")))?.task()
    }
}

fn by_id(id: &str) -> Statement<'_> {
    let mut statement = Statement::new(format!("SELECT {COLUMNS} FROM tasks WHERE id = "));
    statement.bind(id);
    statement
}

impl Store {
    pub(crate) async fn insert(&self, write: &mut Transaction<'static, Any>, new: &NewTask) -> StoreResult<Task> {
        self.insert_row(write, new, false).await
    }

    /// As `insert`, to begin when the older ones of its environment, kind and subject have ended.
    pub(crate) async fn insert_behind(
        &self,
        write: &mut Transaction<'static, Any>,
        new: &NewTask,
    ) -> StoreResult<Task> {
        self.insert_row(write, new, true).await
    }

    async fn insert_row(&self, write: &mut Transaction<'static, Any>, new: &NewTask, waits: bool) -> StoreResult<Task> {
        if let Some(task) = child(write, new).await? {
            return Ok(task);
        }
        let now = self.now_in(write).await?;
        let text = format!(
            "INSERT INTO tasks (id, environment, kind, subject, plugin, request, state, status, details, created_at,
                 updated_at, due_at, cancel_requested, failures, retries, lease_token, backend, waits,
                 parent)
             VALUES ($1, $2, $3, $4, $5, $6, 'null', 'pending', '{{}}', $7, $7, $7, 0, 0, 0, 0, $8, $9, $10) RETURNING {COLUMNS}"
        );
        let row: Row = sqlx::query_as(&text)
            .bind(Uuid::now_v7().to_string())
            .bind(&new.environment)
            .bind(&new.kind)
            .bind(new.subject.as_deref())
            .bind(new.plugin.as_deref())
            .bind(new.request.to_string())
            .bind(now)
            .bind(new.backend_name())
            .bind(i64::from(waits))
            .bind(new.parent.as_deref())
            .fetch_one(&mut **write)
            .await?;
        row.task()
    }
}

/// The task of the same parent.
async fn child(write: &mut Transaction<'static, Any>, new: &NewTask) -> StoreResult<Option<Task>> {
    let Some(parent) = &new.parent else { return Ok(None) };
    let text = format!("SELECT {COLUMNS} FROM tasks WHERE parent = $1");
    let row: Option<Row> = sqlx::query_as(&text).bind(parent.as_str()).fetch_optional(&mut **write).await?;
    row.map(Row::task).transpose()
}

/// How many tasks with the same environment, kind and subject are unfinished.
pub(crate) async fn count_unfinished(write: &mut Transaction<'static, Any>, new: &NewTask) -> StoreResult<i64> {
    let (count,): (i64,) = sqlx::query_as(
        "SELECT COUNT(*) FROM tasks WHERE environment = $1 AND kind = $2 AND COALESCE(subject, '') = COALESCE($3, '')
             AND finished_at IS NULL",
    )
    .bind(&new.environment)
    .bind(&new.kind)
    .bind(new.subject.as_deref())
    .fetch_one(&mut **write)
    .await?;
    Ok(count)
}

/// The newest unfinished task with the same environment, kind and subject.
pub(crate) async fn unfinished(write: &mut Transaction<'static, Any>, new: &NewTask) -> StoreResult<Option<Task>> {
    let text = format!(
        "SELECT {COLUMNS} FROM tasks WHERE environment = $1 AND kind = $2 AND COALESCE(subject, '') = COALESCE($3, '')
             AND finished_at IS NULL ORDER BY id DESC LIMIT 1"
    );
    let row: Option<Row> = sqlx::query_as(&text)
        .bind(&new.environment)
        .bind(&new.kind)
        .bind(new.subject.as_deref())
        .fetch_optional(&mut **write)
        .await?;
    row.map(Row::task).transpose()
}
