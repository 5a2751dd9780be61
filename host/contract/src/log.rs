//! Where a plugin's log lines and events go.

use std::borrow::Cow;

/// Bytes of a line: a log is read by people.
pub const LONGEST_LINE: usize = 16 << 10;

/// `text` with at most `longest` bytes, on a character's boundary. What was cut says so at its end.
pub fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest {
        return Cow::Borrowed(text);
    }
    let note = format!(" … (cut: more than {longest} bytes)");
    let kept = text.floor_char_boundary(longest.saturating_sub(note.len()));
    Cow::Owned(format!("{}{note}", text.get(..kept).unwrap_or_default()))
}

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Receives what a call logs. Must not block: a sink buffers, its owner stores.
pub trait LogSink: Send + Sync {
    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);
    /// An event as Kubernetes has them: `kind` is `Normal` or `Warning`, `reason` one CamelCase word.
    fn event(&self, kind: &str, reason: &str, message: &str);
}

/// Drops everything; for calls that belong to no task.
#[derive(Debug, Default)]
pub struct Discard;

impl LogSink for Discard {
    fn log(&self, _: Level, _: &str) {}
    fn event(&self, _: &str, _: &str, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_once_and_says_so() {
        assert_eq!(cut("short", LONGEST_LINE), "short");
        let long = "ü".repeat(LONGEST_LINE);
        let kept = cut(&long, LONGEST_LINE);
        assert!(kept.len() <= LONGEST_LINE && kept.len() > LONGEST_LINE - 4, "{}", kept.len());
        assert!(kept.ends_with("ü … (cut: more than 16384 bytes)"));
        assert_eq!(cut(&kept, LONGEST_LINE), kept);
    }
}
