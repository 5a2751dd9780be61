//! `/tasks/{id}/stream`: a task as it goes, as server-sent events.
//!
//! | event | data | comes |
//! | --- | --- | --- |
//! | `task` | the task, as `GET /tasks/{id}` shows it | first, and whenever its status or progress changed |
//! | `log` | a line | once each, in order |
//! | `event` | an event | once each, in order |
//! | `end` | the task | last, when it has ended |
//!
//! Each carries as its id how far the reader has come, `LINES.EVENTS`. A reader that lost the connection sends the id back as
//! `Last-Event-ID`, as browsers do by themselves, to this host or another, and misses nothing. One that has seen the end is answered
//! with 204, which tells a browser not to come again.
//!
//! The stream reads the store, not the worker: the task may run on any host.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::Serialize;

use super::tasks::{self, LogLine, TaskAnswer, TaskEvent};
use crate::App;
use crate::extract::{Environment, Id};
use crate::problem::{Problem, Result};

/// As often as a running step's lines are stored.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Lines and events read at once: a stream is no way to fill the host's memory.
const PAGE: u32 = 500;

const LAST_EVENT_ID: &str = "last-event-id";

/// The id of the `end`.
const END: &str = "end";

/// Follow a task: its log, events, status and progress, as server-sent events, until it ends. `Last-Event-ID` goes on after what was
/// seen.
#[utoipa::path(get, path = "/tasks/{id}/stream", tag = "Platform",
    params(("id" = String, Path,), ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen.")),
    responses((status = 200, content((String = "text/event-stream"))), (status = 204, description = "The end was seen before.")))]
pub(crate) async fn stream(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response> {
    let task = tasks::task(&app, &active.name, &id).await?;
    let seen = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or_default());
    if seen == Some(END) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let seen = seen.map_or(Ok(Seen::default()), Seen::parse)?;
    let follower = Follower { app, task: task.id, seen, shown: String::new(), ready: VecDeque::new(), ended: false };
    Ok(Sse::new(follower.events()).keep_alive(KeepAlive::default()).into_response())
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    lines: i64,
    events: i64,
}

impl Seen {
    fn parse(text: &str) -> Result<Self> {
        let parts = text.split_once('.').and_then(|(lines, events)| Some((lines.parse().ok()?, events.parse().ok()?)));
        match parts {
            Some((lines, events)) if lines >= 0 && events >= 0 => Ok(Self { lines, events }),
            _ => Err(Problem::field("Last-Event-ID", "expected the id of an event of this stream, such as `12.3`")),
        }
    }

    fn id(self) -> String {
        format!("{}.{}", self.lines, self.events)
    }
}

struct Follower {
    app: App,
    task: String,
    seen: Seen,
    /// The task as it was shown last.
    shown: String,
    ready: VecDeque<Event>,
    ended: bool,
}

impl Follower {
    fn events(self) -> impl Stream<Item = std::result::Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut follower| async move {
            let event = follower.next().await?;
            Some((Ok(event), follower))
        })
    }

    /// None when the task has ended, or the host stops: the reader comes again and finds another.
    async fn next(&mut self) -> Option<Event> {
        let mut first = self.shown.is_empty();
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            if !first {
                tokio::select! {
                    () = self.app.stopping.cancelled() => return None,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
            first = false;
            if let Err(error) = self.look().await {
                // The reader comes again after what it has seen.
                tracing::warn!(task = self.task, %error, "a stream of a task broke off");
                return None;
            }
        }
    }

    async fn look(&mut self) -> asgard_contract::Result<()> {
        let tasks = self.app.pipeline.tasks();
        // Read before its lines: those of the last step are written with its end, and none comes after them.
        let Some(task) = tasks.get(&self.task).await? else {
            self.ended = true;
            return Ok(());
        };
        let lines = tasks.log(&self.task, self.seen.lines, PAGE).await?;
        let events = tasks.events(&self.task, self.seen.events, PAGE).await?;
        let all = lines.len() < PAGE as usize && events.len() < PAGE as usize;
        let is_final = task.status.is_final();
        let answer = TaskAnswer::from(task);
        let shown = serde_json::to_string(&answer).unwrap_or_default();
        if shown != self.shown && !(is_final && all) {
            self.push("task", &answer);
            self.shown = shown;
        }
        for line in lines {
            self.seen.lines = line.position;
            self.push("log", &LogLine::from(line));
        }
        for event in events {
            self.seen.events = event.position;
            self.push("event", &TaskEvent::from(event));
        }
        if is_final && all {
            self.ready.push_back(event("end", END, &answer));
            self.ended = true;
        }
        Ok(())
    }

    fn push(&mut self, name: &str, data: &impl Serialize) {
        self.ready.push_back(event(name, &self.seen.id(), data));
    }
}

fn event(name: &str, id: &str, data: &impl Serialize) -> Event {
    // JSON has no line breaks of its own: one line of data.
    Event::default().event(name).id(id).data(serde_json::to_string(data).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_how_far_its_reader_has_come() {
        let seen = Seen { lines: 12, events: 3 };
        assert_eq!(Seen::parse(&seen.id()).ok(), Some(seen));
        for wrong in ["", "12", "a.b", "-1.2", "1.2.3", "1,2"] {
            assert!(Seen::parse(wrong).is_err(), "{wrong}");
        }
    }
}
