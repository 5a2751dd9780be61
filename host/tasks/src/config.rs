//! The numbers of a worker.

use std::time::Duration;

use asgard_store::tasks::TaskRetention;

use crate::RetryPolicy;

/// How a worker works.
#[derive(Debug, Clone)]
pub struct TasksConfig {
    /// Steps that run at once. Most of them wait for a backend; those that compute share the engine's own threads.
    pub concurrency: usize,
    /// How long a lease lasts without a heartbeat, which comes three times as often. It is the longest that a task stands
    /// still after its host died.
    pub lease: Duration,
    /// How long an interrupted step may take to return.
    pub interrupt_grace: Duration,
    /// How long a handler may take to cancel.
    pub cancel_timeout: Duration,
    /// How long [`Tasks::cancel`](crate::Tasks::cancel) waits for the end before it answers.
    pub cancel_answer: Duration,
    /// How often log lines, events and progress of a running step are stored.
    pub flush: Duration,
    /// How often to look for work that nobody announced: of other hosts, or after their leases ran out.
    pub poll: Duration,
    pub retry: RetryPolicy,
    /// How long after their end tasks are kept.
    pub retention: TaskRetention,
}

/// A day.
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for TasksConfig {
    fn default() -> Self {
        Self {
            concurrency: 16,
            lease: Duration::from_secs(10),
            interrupt_grace: Duration::from_secs(2),
            cancel_timeout: Duration::from_secs(30),
            cancel_answer: Duration::from_secs(5),
            flush: Duration::from_millis(500),
            poll: Duration::from_secs(1),
            retry: RetryPolicy::default(),
            // A quarter of a year to ask what happened; a year, and time to look back at it, to know that it did.
            retention: TaskRetention { logs: 90 * DAY, tasks: 400 * DAY },
        }
    }
}
