//! What a running step says, until it is stored: log lines, events, the newest progress.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use asgard_contract::Progress;
use asgard_contract::log::{LONGEST_LINE, Level, LogSink, cut};
use asgard_store::tasks::{NewEvent, NewLogLine};
use chrono::Utc;

/// Lines (and events) kept between two flushes: what a chatty backend writes in half a second. Beyond, the oldest go, and
/// their number is told.
const CAPACITY: usize = 10_000;

/// Bytes of lines, likewise: there is a journal for each step under way.
const BYTES: usize = 8 << 20;

/// Bytes of an event's message. It is a sentence; a backend's long answer is in the log.
const LONGEST_EVENT: usize = 4 << 10;

/// Never waits: a sink is called from inside a plugin's call.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Said>);

#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) lines: VecDeque<NewLogLine>,
    pub(crate) events: VecDeque<NewEvent>,
    pub(crate) progress: Option<Progress>,
    /// Of all lines.
    bytes: usize,
    dropped: u64,
}

impl Said {
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.events.is_empty() && self.progress.is_none()
    }

    fn trim(&mut self) {
        while self.lines.len() > CAPACITY || self.bytes > BYTES {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.message.len();
            self.dropped += 1;
        }
        while self.events.len() > CAPACITY {
            self.events.pop_front();
        }
    }
}

impl Journal {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn progress(&self, progress: Progress) {
        self.said().progress = Some(progress);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.said().is_empty()
    }

    /// Takes everything out.
    pub(crate) fn take(&self) -> Said {
        let mut said = std::mem::take(&mut *self.said());
        if said.dropped > 0 {
            let message = format!("{} lines before this one came too fast to be kept", said.dropped);
            said.lines.push_front(NewLogLine { time: Utc::now(), level: Level::Warn, message });
            said.dropped = 0;
        }
        said
    }

    /// Puts back what could not be stored, before what was said meanwhile.
    pub(crate) fn put_back(&self, mut earlier: Said) {
        let mut said = self.said();
        earlier.lines.append(&mut said.lines);
        earlier.bytes = earlier.lines.iter().map(|line| line.message.len()).sum();
        earlier.events.append(&mut said.events);
        earlier.progress = said.progress.take().or(earlier.progress);
        earlier.dropped = said.dropped;
        earlier.trim();
        *said = earlier;
    }
}

impl LogSink for Journal {
    fn log(&self, level: Level, message: &str) {
        let message = cut(message, LONGEST_LINE).into_owned();
        let mut said = self.said();
        said.bytes += message.len();
        said.lines.push_back(NewLogLine { time: Utc::now(), level, message });
        said.trim();
    }

    fn event(&self, kind: &str, reason: &str, message: &str) {
        let mut said = self.said();
        said.events.push_back(NewEvent {
            time: Utc::now(),
            kind: kind.to_owned(),
            reason: reason.to_owned(),
            message: cut(message, LONGEST_EVENT).into_owned(),
        });
        said.trim();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_keeps_the_newest_lines_and_tells_how_many_went() {
        let journal = Journal::default();
        for line in 0..CAPACITY + 5 {
            journal.log(Level::Info, &line.to_string());
        }
        let said = journal.take();
        assert_eq!(said.lines[0].message, "5 lines before this one came too fast to be kept");
        assert_eq!(said.lines[1].message, "5");
        assert!(journal.take().is_empty());
    }

    #[test]
    fn a_flood_of_long_lines_is_kept_by_its_bytes() {
        let journal = Journal::default();
        let most = BYTES / LONGEST_LINE;
        for _ in 0..most + 3 {
            journal.log(Level::Info, &"x".repeat(2 * LONGEST_LINE));
        }
        let first = journal.take();
        journal.log(Level::Info, &"y".repeat(LONGEST_LINE));
        journal.put_back(first);
        let said = journal.take();
        // The note of the first, which went with the oldest line, is among those that went.
        assert_eq!(said.lines.len(), most + 1);
        assert!(said.lines[0].message.ends_with("lines before this one came too fast to be kept"));
        assert!(said.lines[1].message.ends_with("(cut: more than 16384 bytes)"));
        assert!(said.lines[most].message.starts_with('y'));
    }

    #[test]
    fn what_is_put_back_comes_before_what_was_said_meanwhile() {
        let journal = Journal::default();
        journal.log(Level::Info, "first");
        journal.progress(Progress { message: "old".into(), fraction: None });
        let said = journal.take();
        journal.log(Level::Info, "second");
        journal.progress(Progress { message: "new".into(), fraction: None });
        journal.put_back(said);
        let said = journal.take();
        assert_eq!(said.lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        assert_eq!(said.progress.unwrap().message, "new");
    }
}
