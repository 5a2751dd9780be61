//! What programs write: into the task's log as it comes, each line once, and their last words into errors.
//!
//! Kubernetes gives a log from its start or its last lines, and no offset: what was seen is found again by its size and its
//! end. A log that was rotated meanwhile is found by its end alone.

use std::borrow::Cow;

use asgard_sdk::context::Level;
use serde::{Deserialize, Serialize};

/// Lines kept of one look, half from its start and half from its end: below the host's limit for one call.
const LINES: usize = 400;

/// Characters kept of a line: a progress bar or a printed array should not fill the log.
const LINE: usize = 2000;

/// How much of what was seen is remembered: enough for last words, and to be found in a log only once.
const TAIL: usize = 4 << 10;

/// Lines of last words: a traceback's message and its innermost frames.
const TAIL_LINES: usize = 15;

/// What was seen of a container's log. Part of a step's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Whose log it is: another pod starts another.
    pub pod: String,
    /// Bytes from the log's start.
    bytes: usize,
    /// The last of them.
    tail: String,
}

impl Seen {
    /// The last lines that were seen, as an error tells them. They outlive the pod.
    #[must_use]
    pub fn last_words(&self) -> String {
        last_words(&self.tail)
    }

    /// Takes in a pod's log as it is now, and gives new lines to `log`. A line without its end waits for it, unless the program
    /// has `ended`. Answers with the last new line.
    pub fn follow(&mut self, pod: &str, text: &str, ended: bool, log: &mut dyn FnMut(Level, &str)) -> Option<String> {
        if self.pod != pod {
            *self = Self { pod: pod.to_owned(), ..Self::default() };
        }
        let start = match self.position(text) {
            Some(start) => start,
            None => {
                log(Level::Warn, "… lines left out: the program wrote faster than its log could be followed …");
                0
            }
        };
        let fresh = text.get(start..).unwrap_or_default();
        let whole = if ended { fresh.len() } else { fresh.rfind('\n').map_or(0, |end| end + 1) };
        let fresh = fresh.get(..whole).unwrap_or_default();
        self.bytes = start + whole;
        self.remember(fresh);
        report(fresh, log)
    }

    /// Where in the log what was seen ends.
    fn position(&self, text: &str) -> Option<usize> {
        if self.tail.is_empty() {
            return Some(0);
        }
        let there = self.bytes.checked_sub(self.tail.len()).and_then(|start| text.get(start..self.bytes));
        if there == Some(self.tail.as_str()) {
            return Some(self.bytes);
        }
        text.rfind(&self.tail).map(|start| start + self.tail.len())
    }

    fn remember(&mut self, fresh: &str) {
        self.tail.push_str(fresh);
        let mut cut = self.tail.len().saturating_sub(TAIL);
        while !self.tail.is_char_boundary(cut) {
            cut += 1;
        }
        self.tail.drain(..cut);
    }
}

/// Gives lines to a task's log; of very many, the first and the last. Answers with the last.
pub fn report(text: &str, log: &mut dyn FnMut(Level, &str)) -> Option<String> {
    let text = plain(text);
    let lines: Vec<&str> = text.lines().map(shown).filter(|line| !line.trim().is_empty()).collect();
    let left_out = lines.len().saturating_sub(LINES);
    for (index, line) in lines.iter().enumerate() {
        if left_out > 0 && index == LINES / 2 {
            log(Level::Warn, &format!("… {left_out} lines left out …"));
        }
        if left_out == 0 || index < LINES / 2 || index >= LINES / 2 + left_out {
            log(Level::Info, line);
        }
    }
    lines.last().map(|line| (*line).to_owned())
}

/// The last lines of a text, as an error tells them.
#[must_use]
pub fn last_words(text: &str) -> String {
    let text = plain(text);
    let lines: Vec<&str> = text.lines().map(shown).filter(|line| !line.is_empty()).collect();
    // What came before the last traceback is in the log.
    let traceback = lines.iter().rposition(|line| line.starts_with("Traceback ")).unwrap_or(0);
    lines.get(traceback.max(lines.len().saturating_sub(TAIL_LINES))..).unwrap_or_default().join("\n")
}

/// A text without the colours of a terminal (`ESC [ … m`).
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|character: char| character.is_ascii_alphabetic());
        plain.push_str(end.and_then(|end| part.get(end + 1..)).unwrap_or(part));
    }
    Cow::Owned(plain)
}

/// What remains of a line on a terminal: progress bars write over themselves.
fn shown(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit_once('\r').map_or(line, |(_, last)| last).trim_end();
    line.char_indices().nth(LINE).map_or(line, |(end, _)| line.get(..end).unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(looks: &[(&str, &str, bool)]) -> (Vec<String>, Seen) {
        let mut seen = Seen::default();
        let mut told = Vec::new();
        for (pod, text, ended) in looks {
            seen.follow(pod, text, *ended, &mut |_, line| told.push(line.to_owned()));
        }
        (told, seen)
    }

    #[test]
    fn each_line_is_told_once_and_whole() {
        let (told, seen) = seen(&[
            ("a", "one\ntw", false),
            ("a", "one\ntwo\n10 %\r20 %\rdone\n", false),
            ("a", "one\ntwo\n10 %\r20 %\rdone\nend", true),
        ]);
        assert_eq!(told, ["one", "two", "done", "end"]);
        assert_eq!(seen.last_words(), "one\ntwo\ndone\nend");
    }

    #[test]
    fn a_log_that_lost_its_start_goes_on_where_it_was_left() {
        let (told, _) = seen(&[("a", "one\ntwo\nthree\n", false), ("a", "two\nthree\nfour\n", false)]);
        assert_eq!(told[..3], ["one", "two", "three"]);
        assert!(told[3].contains("left out"), "what was seen is not there whole: {told:?}");
        let long: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let rotated = format!("{}new\n", &long[long.len() - TAIL - 100..]);
        let mut seen = Seen::default();
        seen.follow("a", &long, false, &mut |_, _| {});
        let mut told = Vec::new();
        seen.follow("a", &rotated, false, &mut |_, line| told.push(line.to_owned()));
        assert_eq!(told, ["new"]);
    }

    #[test]
    fn another_pod_starts_another_log() {
        let (told, seen) = seen(&[("a", "one\n", false), ("b", "one\n", false)]);
        assert_eq!(told, ["one", "one"]);
        assert_eq!(seen.pod, "b");
    }

    #[test]
    fn a_flood_keeps_its_start_and_its_end() {
        let text: String = (0..10_000).map(|n| format!("line {n}\n")).collect();
        let (told, _) = seen(&[("a", &text, false)]);
        assert_eq!((told.len(), told[0].as_str(), told[400].as_str()), (401, "line 0", "line 9999"));
        assert!(told[200].contains("9600 lines left out"), "{}", told[200]);
    }

    #[test]
    fn colours_are_left_out() {
        assert_eq!(last_words("\u{1b}[36mINFO\u{1b}[0m[0003] RUN pip\n\u{1b}[31merror"), "INFO[0003] RUN pip\nerror");
    }

    #[test]
    fn last_words_are_the_last_tracebacks() {
        let text = "epoch 1\nTraceback (most recent call last):\n  File \"a\"\nKeyError: 1\nTraceback (most recent call last):\nValueError: 2\n";
        assert_eq!(last_words(text), "Traceback (most recent call last):\nValueError: 2");
    }
}
