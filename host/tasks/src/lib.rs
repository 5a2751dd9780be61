//! Durable tasks: work longer than a request, which survives the host.
//!
//! A task is a row; a [`Handler`] takes its steps. A worker leases tasks that are due, runs one step of each, and stores what
//! the step left (state, progress, details, log, events, when the next step is due) in one transaction. Nothing lives between
//! two steps, so any host that has the handler takes the next one.
//!
//! - **A step may run again.** A host that dies in a step leaves its lease to run out ([`TasksConfig::lease`]); another host,
//!   or the next life of this one, then runs the step from the stored state. A host that was only paused finds its lease
//!   gone: its writes are refused, its step is interrupted. So a step does its work once per task id, or not at all.
//! - **Only what may pass is repeated**: errors that are [retryable](asgard_contract::Error::is_retryable), with growing pauses, as
//!   [`RetryPolicy`] says. Every other error ends the task.
//! - **A cancel** interrupts the running step, has the handler end what its backend still does, and is stored first: it
//!   happens even when the host dies right after it was asked for. Asking twice is asking once.
//! - **Interrupting** tells the step through [`StepContext::cancelled`]. A step that has not returned after
//!   [`TasksConfig::interrupt_grace`] is dropped where it waits, as a crash would end it.
//! - **Deadlines and patience** are measured by a clock that nobody sets, as long as one host works on a task: a wall clock that is put
//!   forward ends nothing. What passed on other hosts counts by the database's clock.
//! - **A shutdown** interrupts every step and gives its lease back at once, so the next host need not wait.
//!
//! [`Tasks::run`] owns everything that moves: the steps, the heartbeat of their leases, the schedules. It returns when all of
//! them have ended.

mod clock;
mod config;
mod context;
mod error;
mod handler;
mod journal;
mod limits;
mod retention;
mod retry;
pub mod schedule;
mod schedules;
mod step;
mod stopwatch;
mod tasks;
mod worker;

pub use asgard_store::tasks::{Concurrency, TaskRetention};
pub use asgard_store::tasks::{Event, LogLine, NewTask, Task, TaskFilter, TaskStatus};
pub use asgard_store::{CatchUp, Overlap};
pub use config::TasksConfig;
pub use context::StepContext;
pub use error::{TasksError, TasksResult};
pub use handler::{Handler, StepOutcome};
pub use limits::{Allowance, Allowances};
pub use retry::RetryPolicy;
pub use schedules::Schedules;
pub use tasks::Tasks;
