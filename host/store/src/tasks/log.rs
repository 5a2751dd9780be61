//! Log lines and events of tasks: numbered from 1 in each task, so that a reader goes on after the last one it saw.

use std::borrow::Cow;

use asgard_contract::log::Level;
use chrono::{DateTime, Utc};
use sqlx::{Any, Transaction};

use crate::statement::Statement;
use crate::{Store, StoreResult, time};

/// Kept of one task: the newest. A plugin that logs for ever must not fill the disk.
const LINES_PER_TASK: i64 = 100_000;

/// Likewise of its log in bytes: what a person looks through, and a hundred tasks fit on a small disk.
const BYTES_PER_TASK: i64 = 32 << 20;

/// What is left of the bytes when the log is cut, so that it is not cut with every write.
const BYTES_AFTER_A_CUT: i64 = BYTES_PER_TASK / 4 * 3;

/// Likewise; an event is a change of a backend's state, and these are few.
const EVENTS_PER_TASK: i64 = 10_000;

/// Rows in one statement: up to six values each, and SQLite takes 32,766 of them.
const ROWS_PER_STATEMENT: usize = 1000;

/// A line to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLogLine {
    pub time: DateTime<Utc>,
    pub level: Level,
    pub message: String,
}

/// An event to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub time: DateTime<Utc>,
    /// `Normal` or `Warning`.
    pub kind: String,
    /// One CamelCase word.
    pub reason: String,
    pub message: String,
}

/// A line of a task's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub position: i64,
    pub time: DateTime<Utc>,
    pub level: Level,
    pub message: String,
}

/// An event of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub position: i64,
    pub time: DateTime<Utc>,
    pub kind: String,
    pub reason: String,
    pub message: String,
}

impl Store {
    /// Lines after position `after` (0 = from the beginning), oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn task_log(&self, task: &str, after: i64, limit: u32) -> StoreResult<Vec<LogLine>> {
        let rows: Vec<(i64, i64, String, String)> = sqlx::query_as(
            "SELECT position, time, level, message FROM task_log WHERE task_id = $1 AND position > $2
             ORDER BY position LIMIT $3",
        )
        .bind(task)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        let line = |(position, time, level, message): (i64, i64, String, String)| LogLine {
            position,
            time: time::from_millis(time),
            level: level_of(&level),
            message,
        };
        Ok(rows.into_iter().map(line).collect())
    }

    /// Events after position `after` (0 = from the beginning), oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn task_events(&self, task: &str, after: i64, limit: u32) -> StoreResult<Vec<Event>> {
        let rows: Vec<(i64, i64, String, String, String)> = sqlx::query_as(
            "SELECT position, time, kind, reason, message FROM task_events WHERE task_id = $1 AND position > $2
             ORDER BY position LIMIT $3",
        )
        .bind(task)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        let event = |(position, time, kind, reason, message)| Event {
            position,
            time: time::from_millis(time),
            kind,
            reason,
            message,
        };
        Ok(rows.into_iter().map(event).collect())
    }
}

/// What a backend says may hold NUL, which PostgreSQL's texts cannot.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn name_of(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

fn level_of(name: &str) -> Level {
    match name {
        "debug" => Level::Debug,
        "warn" => Level::Warn,
        "error" => Level::Error,
        _ => Level::Info,
    }
}

pub(super) async fn append(write: &mut Transaction<'static, Any>, task: &str, lines: &[NewLogLine]) -> StoreResult<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let (last,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(position), 0) FROM task_log WHERE task_id = $1")
        .bind(task)
        .fetch_one(&mut **write)
        .await?;
    let mut position = last;
    for some in lines.chunks(ROWS_PER_STATEMENT) {
        let messages: Vec<Cow<'_, str>> = some.iter().map(|line| storable(&line.message)).collect();
        let mut query = Statement::new("INSERT INTO task_log (task_id, position, time, level, message) ");
        query.bind_rows(some.iter().zip(&messages).map(|(line, message)| {
            position += 1;
            let time = line.time.timestamp_millis();
            [task.into(), position.into(), time.into(), name_of(line.level).into(), (&**message).into()]
        }));
        query.query().persistent(some.len() == 1).execute(&mut **write).await?;
    }
    let more: i64 = lines.iter().map(|line| i64::try_from(line.message.len()).unwrap_or(i64::MAX)).sum();
    let (bytes,): (i64,) =
        sqlx::query_as("UPDATE tasks SET log_bytes = log_bytes + $1 WHERE id = $2 RETURNING log_bytes")
            .bind(more)
            .bind(task)
            .fetch_one(&mut **write)
            .await?;
    if position <= LINES_PER_TASK && bytes <= BYTES_PER_TASK {
        return Ok(());
    }
    let mut end = position - LINES_PER_TASK + 1;
    if bytes > BYTES_PER_TASK {
        end = end.max(oldest_beyond(write, task, BYTES_AFTER_A_CUT).await?);
    }
    cut_before(write, task, end).await
}

/// The newest line that has, with those after it, more than `bytes`; 0 where there is none.
async fn oldest_beyond(write: &mut Transaction<'static, Any>, task: &str, bytes: i64) -> StoreResult<i64> {
    let (position,): (i64,) = sqlx::query_as(
        "SELECT COALESCE(MAX(position), 0) FROM (
             SELECT position, SUM(OCTET_LENGTH(message)) OVER (ORDER BY position DESC) AS bytes
             FROM task_log WHERE task_id = $1) AS counted WHERE bytes > $2",
    )
    .bind(task)
    .bind(bytes)
    .fetch_one(&mut **write)
    .await?;
    Ok(position)
}

/// Removes the lines before `position`; the one there says so instead of what it said.
async fn cut_before(write: &mut Transaction<'static, Any>, task: &str, position: i64) -> StoreResult<()> {
    let note = format!(
        "the log was cut here, at line {position}: the newest {LINES_PER_TASK} lines or {} MiB of a task are kept",
        BYTES_PER_TASK >> 20
    );
    sqlx::query(
        "UPDATE tasks SET log_bytes = log_bytes + $1 - COALESCE(
             (SELECT SUM(OCTET_LENGTH(message)) FROM task_log WHERE task_id = $2 AND position <= $3), 0) WHERE id = $2",
    )
    .bind(i64::try_from(note.len()).unwrap_or(i64::MAX))
    .bind(task)
    .bind(position)
    .execute(&mut **write)
    .await?;
    sqlx::query("DELETE FROM task_log WHERE task_id = $1 AND position < $2")
        .bind(task)
        .bind(position)
        .execute(&mut **write)
        .await?;
    sqlx::query("UPDATE task_log SET level = 'warn', message = $1 WHERE task_id = $2 AND position = $3")
        .bind(note)
        .bind(task)
        .bind(position)
        .execute(&mut **write)
        .await?;
    Ok(())
}

pub(super) async fn append_events(
    write: &mut Transaction<'static, Any>,
    task: &str,
    events: &[NewEvent],
) -> StoreResult<()> {
    if events.is_empty() {
        return Ok(());
    }
    let (last,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(position), 0) FROM task_events WHERE task_id = $1")
        .bind(task)
        .fetch_one(&mut **write)
        .await?;
    let mut position = last;
    for some in events.chunks(ROWS_PER_STATEMENT) {
        let texts: Vec<[Cow<'_, str>; 3]> =
            some.iter().map(|event| [&event.kind, &event.reason, &event.message].map(|text| storable(text))).collect();
        let mut query = Statement::new("INSERT INTO task_events (task_id, position, time, kind, reason, message) ");
        query.bind_rows(some.iter().zip(&texts).map(|(event, [kind, reason, message])| {
            position += 1;
            let time = event.time.timestamp_millis();
            [task.into(), position.into(), time.into(), (&**kind).into(), (&**reason).into(), (&**message).into()]
        }));
        query.query().persistent(some.len() == 1).execute(&mut **write).await?;
    }
    if position > EVENTS_PER_TASK {
        sqlx::query("DELETE FROM task_events WHERE task_id = $1 AND position <= $2")
            .bind(task)
            .bind(position - EVENTS_PER_TASK)
            .execute(&mut **write)
            .await?;
    }
    Ok(())
}
