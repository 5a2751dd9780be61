//! How long tasks have been under way, and failing, by a clock that nobody sets.
//!
//! Moments of a task are stored by the database's clock, which all hosts go by and which may be put forward by hours. As long as one host
//! works on a task, it goes by what passed here since it first met the task; only what passed before that, on another host or in an
//! earlier life of this one, is a difference of two stored moments.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What is measured of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Span {
    /// From its first step.
    UnderWay,
    /// From the first of the failures in a row.
    Failing,
}

/// A task that goes on at another host is never stopped here. So many are remembered; they take a few megabytes.
const CAPACITY: usize = 20_000;

#[derive(Debug, Clone, Copy)]
struct Begun {
    here: Instant,
    before: Duration,
}

/// Of all tasks that this host works on.
#[derive(Debug, Default)]
pub(crate) struct Stopwatches(Mutex<HashMap<(String, Span), Begun>>);

impl Stopwatches {
    /// How long `span` of a task has lasted. `by_the_clock` is what stored moments say; it counts for a task that is met for the
    /// first time.
    pub(crate) fn elapsed(&self, task: &str, span: Span, by_the_clock: Duration) -> Duration {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.len() >= CAPACITY && !begun.contains_key(&(task.to_owned(), span)) {
            let oldest = begun.iter().min_by_key(|(_, begun)| begun.here).map(|(key, _)| key.clone());
            oldest.and_then(|key| begun.remove(&key));
        }
        let first = Begun { here: Instant::now(), before: by_the_clock };
        let begun = begun.entry((task.to_owned(), span)).or_insert(first);
        begun.before + begun.here.elapsed()
    }

    /// The span is over.
    pub(crate) fn stop(&self, task: &str, span: Span) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(task.to_owned(), span));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_changes_nothing_of_what_passed_here() {
        let (watches, hour) = (Stopwatches::default(), Duration::from_secs(3600));
        for by_the_clock in [hour, 1000 * hour, Duration::ZERO] {
            let elapsed = watches.elapsed("a", Span::UnderWay, by_the_clock);
            assert!(elapsed >= hour && elapsed < 2 * hour, "{by_the_clock:?}: {elapsed:?}");
        }
        assert!(watches.elapsed("a", Span::Failing, Duration::ZERO) < hour);
        watches.stop("a", Span::UnderWay);
        assert!(watches.elapsed("a", Span::UnderWay, 3 * hour) >= 3 * hour);
    }

    #[test]
    fn no_more_tasks_are_remembered_than_there_is_room_for() {
        let watches = Stopwatches::default();
        for task in 0..CAPACITY + 10 {
            watches.elapsed(&task.to_string(), Span::UnderWay, Duration::ZERO);
        }
        assert_eq!(watches.0.lock().unwrap().len(), CAPACITY);
    }
}
