//! When a step that failed is repeated.

use std::time::Duration;

use asgard_store::tasks::Attempts;
use chrono::{DateTime, Utc};

/// Pauses that double, a little random so that tasks which failed together do not return together.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// The pause after the first failure.
    pub first_pause: Duration,
    /// The longest pause of our own; a backend that names a longer one is given it.
    pub longest_pause: Duration,
    /// How long steps may fail in a row. Long enough for a backend's restart, or for a tracking server's first start; short
    /// enough that a person still waits for the answer.
    pub patience: Duration,
    /// Retries in a task's whole life, so that a backend which fails every other time cannot keep it for ever.
    pub budget: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            patience: Duration::from_secs(300),
            budget: 100,
        }
    }
}

/// Pauses are up to this much longer than computed.
const JITTER: f64 = 0.25;

/// A retry to come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Retry {
    pub(crate) after: Duration,
    pub(crate) attempts: Attempts,
}

impl RetryPolicy {
    /// When to repeat a step that failed at `now` after `attempts`, which began to fail `failing` ago; none when it is not to be
    /// repeated any more. `chance` is from 0 to 1.
    pub(crate) fn after(
        &self,
        attempts: Attempts,
        retry_after: Option<Duration>,
        now: DateTime<Utc>,
        failing: Duration,
        chance: f64,
    ) -> Option<Retry> {
        let doubled = 2u32.saturating_pow(attempts.failures);
        let pause = self.first_pause.saturating_mul(doubled).min(self.longest_pause);
        let pause = pause.max(retry_after.unwrap_or_default());
        if failing.saturating_add(pause) > self.patience || attempts.retries >= self.budget {
            return None;
        }
        // Whether a task is given up is not for chance to say.
        let pause = pause.mul_f64(1.0 + JITTER * chance).min(self.patience.saturating_sub(failing));
        let attempts = Attempts {
            failures: attempts.failures.saturating_add(1),
            failing_since: attempts.failing_since.or(Some(now)),
            retries: attempts.retries.saturating_add(1),
        };
        Some(Retry { after: pause, attempts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(policy: &RetryPolicy, retry_after: Option<Duration>, chance: f64) -> Vec<u128> {
        let mut now = DateTime::from_timestamp_millis(0).unwrap();
        let mut failing = Duration::ZERO;
        let mut attempts = Attempts::default();
        let mut pauses = Vec::new();
        while let Some(retry) = policy.after(attempts, retry_after, now, failing, chance) {
            pauses.push(retry.after.as_millis());
            (now, failing, attempts) = (now + retry.after, failing + retry.after, retry.attempts);
        }
        pauses
    }

    fn policy() -> RetryPolicy {
        RetryPolicy {
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(8),
            patience: Duration::from_secs(40),
            budget: 100,
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_until_patience_ends() {
        assert_eq!(pauses(&policy(), None, 0.0), [1000, 2000, 4000, 8000, 8000, 8000, 8000]);
    }

    #[test]
    fn a_pause_is_up_to_a_quarter_longer_by_chance() {
        assert_eq!(pauses(&policy(), None, 1.0)[..3], [1250, 2500, 5000]);
    }

    #[test]
    fn a_backend_that_says_when_to_return_is_not_asked_earlier() {
        let asked = Some(Duration::from_secs(10));
        assert_eq!(pauses(&policy(), asked, 0.0), [10_000; 4]);
    }

    #[test]
    fn a_backend_that_wants_more_than_our_patience_ends_the_task_at_once() {
        assert!(pauses(&policy(), Some(Duration::from_secs(3600)), 0.0).is_empty());
        assert!(pauses(&policy(), Some(Duration::MAX), 0.0).is_empty());
    }

    #[test]
    fn chance_does_not_say_whether_a_task_is_given_up() {
        for (seconds, times) in [(31, 1), (40, 1), (41, 0)] {
            for chance in [0.0, 0.5, 1.0] {
                let asked = Some(Duration::from_secs(seconds));
                let pauses = pauses(&policy(), asked, chance);
                assert_eq!(pauses.len(), times, "{seconds} s, {chance}: {pauses:?}");
                assert!(pauses.iter().all(|pause| *pause <= 40_000), "{pauses:?}");
            }
        }
    }

    #[test]
    fn the_budget_counts_over_the_whole_life_of_a_task() {
        let spent = Attempts { failures: 0, failing_since: None, retries: 100 };
        assert_eq!(policy().after(spent, None, Utc::now(), Duration::ZERO, 0.0), None);
    }
}
