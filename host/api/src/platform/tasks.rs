//! `/tasks`: all work longer than a request, with its log and its events.

use std::fmt::Write as _;

use asgard_contract::log::Level;
use asgard_tasks::{Task, TaskFilter, TaskStatus};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::extract::{Environment, Id, Params, first_page, limit, page, usual_page};
use crate::problem::{Problem, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TaskState {
    Pending,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl From<TaskStatus> for TaskState {
    fn from(status: TaskStatus) -> Self {
        match status {
            TaskStatus::Pending => Self::Pending,
            TaskStatus::Running => Self::Running,
            TaskStatus::Succeeded => Self::Succeeded,
            TaskStatus::Failed => Self::Failed,
            TaskStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<TaskState> for TaskStatus {
    fn from(state: TaskState) -> Self {
        match state {
            TaskState::Pending => Self::Pending,
            TaskState::Running => Self::Running,
            TaskState::Succeeded => Self::Succeeded,
            TaskState::Failed => Self::Failed,
            TaskState::Cancelled => Self::Cancelled,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskProgress {
    message: String,
    /// 0.0 to 1.0 where known.
    fraction: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskAnswer {
    id: String,
    /// `sync`, `silver`, `gold`, `features`, `deployment` or `maintenance`.
    kind: String,
    /// What it is about: the id of the ingestion, run, transformation or deployment, or the table.
    subject: Option<String>,
    status: TaskState,
    /// Name, version and digest of the plugin that it started with.
    plugin: Option<String>,
    progress: Option<TaskProgress>,
    error: Option<String>,
    /// Of maintenance that has succeeded: what each operation did.
    #[schema(value_type = Option<Object>)]
    outcome: Option<serde_json::Value>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<Task> for TaskAnswer {
    fn from(task: Task) -> Self {
        Self {
            id: task.id,
            subject: task.subject,
            status: task.status.into(),
            plugin: task.plugin,
            progress: task
                .progress
                .map(|progress| TaskProgress { message: progress.message, fraction: progress.fraction }),
            error: task.error.as_ref().map(ToString::to_string),
            outcome: task.outcome.filter(|_| task.kind == "maintenance"),
            created_at: task.created_at,
            started_at: task.started_at,
            finished_at: task.finished_at,
            kind: task.kind,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskList {
    tasks: Vec<TaskAnswer>,
    total: u64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    #[serde(default = "first_page")]
    #[param(minimum = 1, maximum = 1_000_000, default = 1, required = false)]
    page: u64,
    #[serde(default = "usual_page")]
    #[param(minimum = 1, maximum = 1000, default = 100, required = false)]
    page_size: u32,
    #[param(inline, required = false)]
    status: Option<TaskState>,
    /// `sync`, `silver`, `gold`, `features`, `deployment` or `maintenance`.
    #[param(required = false)]
    kind: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogLine {
    /// Ask for what comes `after` it.
    position: i64,
    time: DateTime<Utc>,
    #[schema(value_type = String, example = "info")]
    level: Level,
    message: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogPage {
    lines: Vec<LogLine>,
    /// For `after`, to read on; the same as before when there was nothing new.
    next: i64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// Those after this position.
    #[serde(default)]
    #[param(minimum = 0, default = 0, required = false)]
    after: i64,
    #[serde(default = "usual_page")]
    #[param(minimum = 1, maximum = 1000, default = 100, required = false)]
    limit: u32,
}

impl LogQuery {
    /// The lines asked for, of one task.
    ///
    /// # Errors
    /// 422 for a number out of range.
    pub(crate) async fn read(self, app: &App, task: &str) -> Result<LogPage> {
        let lines = app.pipeline.tasks().log(task, self.after()?, limit("limit", self.limit)?).await?;
        let lines: Vec<LogLine> = lines.into_iter().map(Into::into).collect();
        Ok(LogPage { next: lines.last().map_or(self.after, |line| line.position), lines })
    }

    fn after(&self) -> Result<i64> {
        if self.after < 0 {
            return Err(Problem::field("after", "expected 0, or the `next` of an earlier page"));
        }
        Ok(self.after)
    }
}

impl From<asgard_tasks::LogLine> for LogLine {
    fn from(line: asgard_tasks::LogLine) -> Self {
        Self { position: line.position, time: line.time, level: line.level, message: line.message }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskEvent {
    /// Ask for what comes `after` it.
    position: i64,
    #[serde(flatten)]
    event: EventAnswer,
}

impl From<asgard_tasks::Event> for TaskEvent {
    fn from(event: asgard_tasks::Event) -> Self {
        Self { position: event.position, event: event.into() }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPage {
    events: Vec<TaskEvent>,
    /// For `after`, to read on; the same as before when there was nothing new.
    next: i64,
}

impl From<asgard_tasks::Event> for EventAnswer {
    fn from(event: asgard_tasks::Event) -> Self {
        Self { time: event.time, r#type: event.kind, reason: event.reason, message: event.message }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventAnswer {
    time: DateTime<Utc>,
    /// `Normal` or `Warning`.
    r#type: String,
    reason: String,
    message: String,
}

/// Lines and events read at once.
const PAGE: u32 = 1000;

/// A task's whole log as text: time, level, message.
///
/// # Errors
/// Those of the store.
pub(crate) async fn whole_log(app: &App, task: &str) -> Result<String> {
    let (mut text, mut after) = (String::new(), 0);
    loop {
        let lines = app.pipeline.tasks().log(task, after, PAGE).await?;
        for line in &lines {
            let time = line.time.to_rfc3339_opts(SecondsFormat::Millis, true);
            let level = format!("{:?}", line.level).to_ascii_uppercase();
            let _ = writeln!(text, "{time} {level} {}", line.message);
        }
        match lines.last() {
            Some(last) if lines.len() == PAGE as usize => after = last.position,
            _ => return Ok(text),
        }
    }
}

/// A task's events, oldest first.
///
/// # Errors
/// Those of the store.
pub(crate) async fn events_of(app: &App, task: &str) -> Result<Vec<EventAnswer>> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let events = app.pipeline.tasks().events(task, after, PAGE).await?;
        let last = events.last().filter(|_| events.len() == PAGE as usize).map(|event| event.position);
        all.extend(events.into_iter().map(EventAnswer::from));
        match last {
            Some(position) => after = position,
            None => return Ok(all),
        }
    }
}

/// A task of an environment.
///
/// # Errors
/// 404, and those of the store.
pub(super) async fn task(app: &App, environment: &str, id: &str) -> Result<Task> {
    let found = app.pipeline.tasks().get(id).await?.filter(|task| task.environment == environment);
    found.ok_or_else(|| {
        asgard_contract::Error::not_found(format!("there is no task `{id}`: GET /tasks lists those there are")).into()
    })
}

/// Tasks of the environment, newest first.
#[utoipa::path(get, path = "/tasks", tag = "Platform", params(ListQuery), responses((status = 200, body = TaskList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Environment(active): Environment,
    Params(query): Params<ListQuery>,
) -> Result<Json<TaskList>> {
    let part = page(query.page, query.page_size)?;
    let mut filter = TaskFilter::default().environment(&active.name);
    if let Some(kind) = &query.kind {
        filter = filter.kind(kind);
    }
    if let Some(status) = query.status {
        filter = filter.status(status.into());
    }
    let (tasks, total) = app.pipeline.tasks().list(&filter, part.limit, part.offset).await?;
    Ok(Json(TaskList { tasks: tasks.into_iter().map(Into::into).collect(), total }))
}

/// One task.
#[utoipa::path(get, path = "/tasks/{id}", tag = "Platform", params(("id" = String, Path,)),
    responses((status = 200, body = TaskAnswer)))]
pub(crate) async fn get(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<TaskAnswer>> {
    Ok(Json(task(&app, &active.name, &id).await?.into()))
}

/// The log of a task, oldest line first.
#[utoipa::path(get, path = "/tasks/{id}/logs", tag = "Platform", params(("id" = String, Path,), LogQuery),
    responses((status = 200, body = LogPage)))]
pub(crate) async fn logs(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
    Params(query): Params<LogQuery>,
) -> Result<Json<LogPage>> {
    let task = task(&app, &active.name, &id).await?;
    Ok(Json(query.read(&app, &task.id).await?))
}

/// The events of a task, oldest first.
#[utoipa::path(get, path = "/tasks/{id}/events", tag = "Platform", params(("id" = String, Path,), LogQuery),
    responses((status = 200, body = EventPage)))]
pub(crate) async fn events(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
    Params(query): Params<LogQuery>,
) -> Result<Json<EventPage>> {
    let task = task(&app, &active.name, &id).await?;
    let events = app.pipeline.tasks().events(&task.id, query.after()?, limit("limit", query.limit)?).await?;
    let next = events.last().map_or(query.after, |event| event.position);
    Ok(Json(EventPage { events: events.into_iter().map(Into::into).collect(), next }))
}

/// Cancel a task. Nothing happens when it has ended.
#[utoipa::path(post, path = "/tasks/{id}/cancel", tag = "Platform", params(("id" = String, Path,)),
    responses((status = 200, body = TaskAnswer)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<TaskAnswer>> {
    let task = task(&app, &active.name, &id).await?;
    Ok(Json(app.pipeline.tasks().cancel(&task.id).await?.into()))
}
