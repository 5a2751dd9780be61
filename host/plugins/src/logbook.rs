//! What one call logs: lines of `context.log`, events, and what the guest writes to its standard output and error.
//!
//! Lines past the call's limit are counted and reported in one line at the end, so a flood costs neither memory nor
//! room in the task's log. The last line of standard error is kept apart: there a panic leaves its message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asgard_contract::log::{Level, LogSink};

/// Longer lines are cut: a log is read by people.
const LINE_BYTES: usize = 16 << 10;

/// Shared by the guest's store and whoever waits for the call, so that lines survive a trap and a time out.
#[derive(Clone)]
pub(crate) struct Logbook {
    sink: Arc<dyn LogSink>,
    limit: u32,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    lines: u32,
    dropped: u64,
    output: Vec<u8>,
    error: Vec<u8>,
    last_error_line: Option<String>,
}

/// One of the two standard streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Output,
    Error,
}

impl Logbook {
    pub(crate) fn new(sink: Arc<dyn LogSink>, limit: u32) -> Self {
        Self { sink, limit, state: Arc::default() }
    }

    /// A new call begins.
    pub(crate) fn begin(&self) {
        *self.state() = State::default();
    }

    /// Writes out unfinished lines, and how many lines went missing.
    pub(crate) fn finish(&self) {
        for channel in [Channel::Output, Channel::Error] {
            let rest = std::mem::take(self.state().buffer(channel));
            if !rest.is_empty() {
                self.line(channel, &rest);
            }
        }
        let dropped = std::mem::take(&mut self.state().dropped);
        if dropped > 0 {
            let message = format!("{dropped} more lines were not kept: one call may log {} (`limits.log_lines`)", self.limit);
            self.sink.log(Level::Warn, &message);
        }
    }

    /// The last line that the guest wrote to standard error.
    pub(crate) fn last_error_line(&self) -> Option<String> {
        self.state().last_error_line.clone()
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        if self.admit() {
            self.sink.log(level, cut(message));
        }
    }

    /// Events count as lines.
    pub(crate) fn event(&self, kind: &str, reason: &str, message: &str) {
        if self.admit() {
            self.sink.event(cut(kind), cut(reason), cut(message));
        }
    }

    /// Bytes of a standard stream; whole lines go to the log.
    pub(crate) fn write(&self, channel: Channel, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let mut line = std::mem::take(self.state().buffer(channel));
            line.extend_from_slice(&rest[..end]);
            self.line(channel, &line);
            rest = &rest[end + 1..];
        }
        let mut state = self.state();
        let buffer = state.buffer(channel);
        // A line without an end must not grow without one.
        let room = LINE_BYTES.saturating_sub(buffer.len());
        buffer.extend_from_slice(&rest[..rest.len().min(room)]);
    }

    fn line(&self, channel: Channel, bytes: &[u8]) {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LINE_BYTES)]);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        if channel == Channel::Error {
            self.state().last_error_line = Some(text.to_owned());
        }
        self.log(if channel == Channel::Error { Level::Warn } else { Level::Info }, text);
    }

    fn admit(&self) -> bool {
        let mut state = self.state();
        let room = state.lines < self.limit;
        if room {
            state.lines += 1;
        } else {
            state.dropped += 1;
        }
        room
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn buffer(&mut self, channel: Channel) -> &mut Vec<u8> {
        match channel {
            Channel::Output => &mut self.output,
            Channel::Error => &mut self.error,
        }
    }
}

/// At most [`LINE_BYTES`], on a character's boundary.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LINE_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl LogSink for Lines {
        fn log(&self, level: Level, message: &str) {
            self.0.lock().unwrap().push(format!("{level:?} {message}"));
        }
        fn event(&self, kind: &str, reason: &str, message: &str) {
            self.0.lock().unwrap().push(format!("{kind} {reason} {message}"));
        }
    }

    fn logbook(limit: u32) -> (Arc<Lines>, Logbook) {
        let lines = Arc::new(Lines::default());
        (lines.clone(), Logbook::new(lines, limit))
    }

    #[test]
    fn lines_past_the_limit_are_counted_in_one_line() {
        let (lines, book) = logbook(2);
        for number in 0..5 {
            book.log(Level::Info, &number.to_string());
        }
        book.finish();
        let lines = lines.0.lock().unwrap();
        assert_eq!(lines[..2], ["Info 0", "Info 1"]);
        assert!(lines[2].starts_with("Warn 3 more lines were not kept: one call may log 2"));
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn standard_streams_become_lines() {
        let (lines, book) = logbook(10);
        book.write(Channel::Output, b"half a ");
        book.write(Channel::Error, b"boom\n\n");
        book.write(Channel::Output, b"line\nand a rest");
        book.finish();
        assert_eq!(*lines.0.lock().unwrap(), ["Warn boom", "Info half a line", "Info and a rest"]);
        assert_eq!(book.last_error_line().as_deref(), Some("boom"));
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let (lines, book) = logbook(10);
        for _ in 0..100 {
            book.write(Channel::Output, &[b'x'; 4096]);
        }
        book.finish();
        assert_eq!(lines.0.lock().unwrap()[0].len(), "Info ".len() + LINE_BYTES);
    }
}
