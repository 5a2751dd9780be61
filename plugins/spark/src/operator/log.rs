//! A driver's log as it grows. Kubernetes gives its end, not what is new: where the last look ended is found by its last lines.

use serde::{Deserialize, Serialize};

/// Lines by which a place is known again.
const KNOWN: usize = 24;

/// Where the last look ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place(Vec<u64>);

impl Place {
    /// The lines of a log, or of its end, that come after this place, which moves on. A last line without an end waits for it unless
    /// the log is `whole`.
    pub fn after<'a>(&mut self, log: &'a str, whole: bool) -> Vec<&'a str> {
        let log = match log.rfind('\n') {
            _ if whole => log,
            Some(end) => log.get(..=end).unwrap_or(log),
            None => return Vec::new(),
        };
        let lines: Vec<&str> = log.lines().collect();
        let marks: Vec<u64> = lines.iter().map(|line| mark(line)).collect();
        let start = self.found_in(&marks);
        let known = marks.iter().skip(marks.len().saturating_sub(KNOWN)).copied();
        if !marks.is_empty() {
            self.0 = known.collect();
        }
        lines.get(start..).unwrap_or_default().to_vec()
    }

    /// Behind the last of the known lines; 0 when they are not there.
    fn found_in(&self, marks: &[u64]) -> usize {
        if self.0.is_empty() {
            return 0;
        }
        let ends_with_known = |end: &usize| marks.get(..*end).is_some_and(|before| before.ends_with(&self.0));
        (self.0.len()..=marks.len()).rev().find(ends_with_known).unwrap_or(0)
    }
}

/// FNV-1a: equal lines have equal marks, in this build and the next.
fn mark(line: &str) -> u64 {
    line.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_growing_log_comes_once() {
        let mut place = Place::default();
        assert_eq!(place.after("a\nb\npart", false), ["a", "b"]);
        assert_eq!(place.after("a\nb\npart of c\n", false), ["part of c"]);
        assert_eq!(place.after("a\nb\npart of c\n", false), Vec::<&str>::new());
        assert_eq!(place.after("a\nb\npart of c\na\nb\nend", true), ["a", "b", "end"]);
    }

    #[test]
    fn a_log_whose_start_is_gone_goes_on_where_it_was() {
        let lines: Vec<String> = (0..100).map(|line| format!("line {line}\n")).collect();
        let mut place = Place::default();
        assert_eq!(place.after(&lines[..60].concat(), false).len(), 60);
        assert_eq!(
            place.after(&lines[30..].concat(), false),
            (60..100).map(|line| format!("line {line}")).collect::<Vec<_>>()
        );
    }
}
