//! What one call logs: lines of `context.log`, events, and what the guest writes to its standard output and error.
//!
//! Lines past the call's limit are counted and reported in one line at the end, so a flood costs neither memory nor
//! room in the task's log. The end of standard error is kept apart: there a panic leaves its message. Secrets that were looked up
//! for the call are masked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asgard_capabilities::secrets::Used;
use asgard_contract::log::{LONGEST_LINE, Level, LogSink, cut};

/// Of the last words; a message that is longer has said what it had to say.
const LAST_WORDS_BYTES: usize = 2 << 10;

/// What Rust's standard library writes under the first panic. A plugin has no environment variables.
const BACKTRACE_NOTE: &str = "note: run with `RUST_BACKTRACE";

/// Shared by the guest's store and whoever waits for the call, so that lines survive a trap and a time out.
#[derive(Clone)]
pub(crate) struct Logbook {
    sink: Arc<dyn LogSink>,
    limit: u32,
    secrets: Used,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    lines: u32,
    dropped: u64,
    output: Vec<u8>,
    error: Vec<u8>,
    last_words: String,
    panicking: bool,
}

/// One of the two standard streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Output,
    Error,
}

impl Logbook {
    pub(crate) fn new(sink: Arc<dyn LogSink>, limit: u32, secrets: Used) -> Self {
        Self { sink, limit, secrets, state: Arc::default() }
    }

    /// A new call begins. It ends when the answer is dropped, however that comes about.
    pub(crate) fn open(&self) -> Lines {
        *self.state() = State::default();
        Lines(self.clone())
    }

    /// Writes out unfinished lines.
    pub(crate) fn flush(&self) {
        for channel in [Channel::Output, Channel::Error] {
            let rest = std::mem::take(self.state().buffer(channel));
            if !rest.is_empty() {
                self.line(channel, &rest);
            }
        }
    }

    /// Writes out unfinished lines, and how many lines went missing.
    fn finish(&self) {
        self.flush();
        let dropped = std::mem::take(&mut self.state().dropped);
        if dropped > 0 {
            let message =
                format!("{dropped} more lines were not kept: one call may log {} (`limits.log_lines`)", self.limit);
            self.sink.log(Level::Warn, &message);
        }
    }

    /// The message of the guest's panic, or else the last line that it wrote to standard error.
    pub(crate) fn last_words(&self) -> Option<String> {
        let state = self.state();
        (!state.last_words.is_empty()).then(|| state.last_words.clone())
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        if self.admit() {
            self.sink.log(level, &cut(&self.secrets.conceal(message), LONGEST_LINE));
        }
    }

    /// Events count as lines.
    pub(crate) fn event(&self, kind: &str, reason: &str, message: &str) {
        if self.admit() {
            let cut = |text| cut(text, LONGEST_LINE);
            self.sink.event(&cut(kind), &cut(reason), &cut(&self.secrets.conceal(message)));
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
        // A line without an end must not grow without one; a byte more than may stay tells that it was cut.
        let room = (LONGEST_LINE + 1).saturating_sub(buffer.len());
        buffer.extend_from_slice(&rest[..rest.len().min(room)]);
    }

    fn line(&self, channel: Channel, bytes: &[u8]) {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_LINE + 1)]);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        if channel == Channel::Error {
            if text.starts_with(BACKTRACE_NOTE) {
                return;
            }
            self.state().hear(text);
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
    /// A line of standard error. What follows the first line of a panic belongs to it.
    fn hear(&mut self, line: &str) {
        let panic = line.split_once("panicked at ").filter(|(thread, _)| thread.starts_with("thread '"));
        match panic {
            Some((_, place)) => {
                self.panicking = true;
                self.last_words = format!("at {}", cut(place, LAST_WORDS_BYTES));
            }
            None if self.panicking && self.last_words.len() + line.len() < LAST_WORDS_BYTES => {
                self.last_words.push(' ');
                self.last_words.push_str(line.trim());
            }
            None if self.panicking => {}
            None => line[..line.floor_char_boundary(LAST_WORDS_BYTES)].clone_into(&mut self.last_words),
        }
    }

    fn buffer(&mut self, channel: Channel) -> &mut Vec<u8> {
        match channel {
            Channel::Output => &mut self.output,
            Channel::Error => &mut self.error,
        }
    }
}

/// The lines of one call.
pub(crate) struct Lines(Logbook);

impl Drop for Lines {
    fn drop(&mut self) {
        self.0.finish();
    }
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
        logbook_of(limit, Used::default())
    }

    fn logbook_of(limit: u32, secrets: Used) -> (Arc<Lines>, Logbook) {
        let lines = Arc::new(Lines::default());
        (lines.clone(), Logbook::new(lines, limit, secrets))
    }

    #[test]
    fn secrets_are_masked_whichever_way_they_are_written_also_when_they_have_several_lines() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nAQEFAASCBKcwgg\n-----END PRIVATE KEY-----\n";
        let secrets = Used::default();
        secrets.note("password", "hunter2-hunter2");
        let (lines, book) = logbook_of(20, secrets.clone());
        // Looked up after the call began.
        secrets.note("key", key);
        book.log(Level::Info, "login with hunter2-hunter2");
        book.log(Level::Info, &format!("key: {key}"));
        book.event("Warning", "Denied", "hunter2-hunter2 is wrong");
        book.write(Channel::Output, format!("hunter2-hunter2, {key}").as_bytes());
        book.write(Channel::Error, key.as_bytes());
        book.write(Channel::Error, b"hunter2-hunter2 without an end of line");
        book.finish();
        let mask = asgard_capabilities::secrets::MASK;
        let line = |level: &str| format!("{level} {mask}");
        let expected = [
            format!("Info login with {mask}"),
            format!("Info key: {mask}\n"),
            format!("Warning Denied {mask} is wrong"),
            format!("Info {mask}, {mask}"),
            line("Info"),
            line("Info"),
            line("Info"),
            line("Warn"),
            line("Warn"),
            line("Warn"),
            line("Warn"),
            format!("Warn {mask} without an end of line"),
        ];
        assert_eq!(*lines.0.lock().unwrap(), expected);
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
        assert_eq!(book.last_words().as_deref(), Some("boom"));
    }

    #[test]
    fn a_panic_is_remembered_with_its_place_and_all_its_lines() {
        let (_, book) = logbook(10);
        book.write(
            Channel::Error,
            b"warming up\n\nthread 'main' (1) panicked at src/lib.rs:7:5:\nassertion failed\n  left: 1\n\
              note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
        );
        assert_eq!(book.last_words().as_deref(), Some("at src/lib.rs:7:5: assertion failed left: 1"));
    }

    #[test]
    fn lines_are_written_out_when_the_call_is_dropped() {
        let (lines, book) = logbook(10);
        let call = book.open();
        book.write(Channel::Output, b"no end of line");
        drop(call);
        assert_eq!(*lines.0.lock().unwrap(), ["Info no end of line"]);
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let (lines, book) = logbook(10);
        for _ in 0..100 {
            book.write(Channel::Output, &[b'x'; 4096]);
        }
        book.finish();
        let line = lines.0.lock().unwrap()[0].clone();
        assert!(line.len() <= "Info ".len() + LONGEST_LINE && line.ends_with("(cut: more than 16384 bytes)"), "{line}");
    }
}
