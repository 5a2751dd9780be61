//! One step: run, watched, judged, written down.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use asgard_contract::log::Level;
use asgard_contract::{Error, Progress, Result};
use asgard_store::StoreError;
use asgard_store::tasks::{Attempts, Leased, Next};
use chrono::Utc;
use futures::FutureExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::context::{Interrupt, Interruption, Left};
use crate::retry::Retry;
use crate::stopwatch::Span;
use crate::{Handler, StepContext, StepOutcome, Task, Tasks, TasksError};

/// Between two tries to write what a step left.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// Tries after a shutdown was asked for: a database that is away must not keep the process for ever. The lease runs out then,
/// and the step is run again.
const LAST_WRITES: u32 = 3;

/// Before the next step of a handler that says it was interrupted when it was not.
const UNASKED_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct StepRun<'a> {
    tasks: &'a Tasks,
    task: Task,
    attempts: Attempts,
    context: StepContext,
    longest: Option<Duration>,
    shutdown: CancellationToken,
}

/// How a step ended.
enum Ended {
    Succeeded { outcome: Value },
    Continue { progress: Option<Progress>, after: Duration },
    Failed { error: Error },
    Interrupted,
}

/// What it left; none leaves what is stored.
#[derive(Default)]
struct Remains {
    state: Option<Value>,
    details: Option<Value>,
}

/// What becomes of the task.
enum Verdict {
    Write(Next),
    /// The handler ends its backend's work first.
    Cancel,
    /// Likewise, and the task has failed.
    Expire,
    /// Another worker has it.
    Leave,
}

impl<'a> StepRun<'a> {
    pub(crate) fn new(
        tasks: &'a Tasks,
        leased: Leased,
        longest: Option<Duration>,
        interrupt: Interrupt,
        shutdown: CancellationToken,
    ) -> Self {
        let Leased { task, lease, attempts } = leased;
        let first = lease.is_first();
        let context = StepContext::new(tasks.store().clone(), lease, interrupt);
        if first {
            context.log().event("Normal", "Started", "the first step begins");
        }
        Self { tasks, task, attempts, context, longest, shutdown }
    }

    pub(crate) async fn run(mut self) {
        let Some(handler) = self.tasks.handler(&self.task.kind) else {
            let error = TasksError::UnknownKind(self.task.kind.clone()).into();
            self.write(Remains::default(), Next::Failed { error }).await;
            return;
        };
        if self.task.cancel_requested {
            return self.cancel(&*handler).await;
        }
        if self.time_left().is_some_and(|left| left.is_zero()) {
            return self.expire(&*handler).await;
        }
        let (ended, remains) = self.step(&*handler).await;
        match self.judge(ended).await {
            Verdict::Write(next) => {
                self.conclude(&*handler, remains, next).await;
            }
            Verdict::Cancel => {
                if self.write(remains, Next::GoesOn).await {
                    self.cancel(&*handler).await;
                }
            }
            Verdict::Expire => {
                if self.write(remains, Next::GoesOn).await {
                    self.expire(&*handler).await;
                }
            }
            Verdict::Leave => {
                tracing::warn!(
                    task = self.task.id,
                    "another worker has this task by now: what this step left is dropped"
                );
            }
        }
    }

    /// Runs the step, and stores what it says meanwhile.
    async fn step(&self, handler: &dyn Handler) -> (Ended, Remains) {
        let stop = CancellationToken::new();
        let stepping = async {
            let step = AssertUnwindSafe(handler.step(&self.task, &self.context)).catch_unwind();
            let ended = tokio::select! {
                outcome = step => match outcome {
                    Ok(outcome) => parts(outcome),
                    Err(panic) => (Ended::Failed { error: broken(&*panic) }, Remains::default()),
                },
                () = self.out_of_grace() => (Ended::Interrupted, Remains::default()),
            };
            stop.cancel();
            ended
        };
        let watching = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.out_of_task_time() => self.context.interrupt().because(Interruption::Deadline),
            }
        };
        tokio::join!(stepping, self.context.flush_until(&stop, self.tasks.config().flush), watching).0
    }

    /// How much of the task's time is left. What was spent before this host met the task is known by the clock that all hosts go by.
    fn time_left(&self) -> Option<Duration> {
        let begun = self.task.started_at?;
        let by_the_clock = (self.task.updated_at - begun).to_std().unwrap_or_default();
        let spent = self.tasks.stopwatches().elapsed(&self.task.id, Span::UnderWay, by_the_clock);
        Some(self.longest?.saturating_sub(spent))
    }

    async fn out_of_task_time(&self) {
        match self.time_left() {
            Some(left) => tokio::time::sleep(left).await,
            None => std::future::pending().await,
        }
    }

    async fn out_of_grace(&self) {
        self.context.interrupt().given().await;
        tokio::time::sleep(self.tasks.config().interrupt_grace).await;
    }

    async fn judge(&self, ended: Ended) -> Verdict {
        let interruption = self.context.interrupt().why();
        match (ended, interruption) {
            (_, Some(Interruption::LeaseLost)) => Verdict::Leave,
            // It was done before anybody could stop it.
            (Ended::Succeeded { outcome }, _) => Verdict::Write(self.succeeded(outcome)),
            (_, Some(Interruption::Cancel)) => Verdict::Cancel,
            (_, Some(Interruption::Deadline)) => Verdict::Expire,
            (Ended::Continue { progress, after }, _) => {
                if let Some(progress) = progress {
                    self.context.progress(progress);
                }
                let attempts = Attempts { retries: self.attempts.retries, ..Attempts::default() };
                self.tasks.stopwatches().stop(&self.task.id, Span::Failing);
                Verdict::Write(Next::Due { after, attempts })
            }
            // What a stopping host could not do says nothing about the backend.
            (Ended::Failed { error }, Some(Interruption::Shutdown)) if error.is_retryable() => {
                Verdict::Write(Next::Due { after: Duration::ZERO, attempts: self.attempts })
            }
            (Ended::Failed { error }, _) => Verdict::Write(self.failed(error).await),
            (Ended::Interrupted, Some(_)) => {
                Verdict::Write(Next::Due { after: Duration::ZERO, attempts: self.attempts })
            }
            (Ended::Interrupted, None) => Verdict::Write(Next::Due { after: UNASKED_PAUSE, attempts: self.attempts }),
        }
    }

    fn succeeded(&self, outcome: Value) -> Next {
        self.context.log().event("Normal", "Succeeded", "the last step ended");
        Next::Succeeded { outcome }
    }

    async fn failed(&self, error: Error) -> Next {
        let log = self.context.log();
        if let Some(retry) = self.retry(&error).await {
            let seconds = retry.after.as_secs_f32();
            let failures = retry.attempts.failures;
            let message = format!("failure {failures} in a row, trying again in {seconds:.1} s: {error}");
            log.log(Level::Warn, &message);
            log.event("Warning", "Retrying", &message);
            self.context.progress(Progress { message: format!("waiting to try again: {error}"), fraction: None });
            return Next::Due { after: retry.after, attempts: retry.attempts };
        }
        if error.is_retryable() {
            log.log(Level::Error, &format!("given up after {} failures in a row", self.attempts.failures + 1));
        }
        log.log(Level::Error, &error.to_string());
        log.event("Warning", "Failed", &error.to_string());
        Next::Failed { error }
    }

    async fn retry(&self, error: &Error) -> Option<Retry> {
        let Error::Unavailable { retry_after_ms, .. } = error else { return None };
        let retry_after = retry_after_ms.map(Duration::from_millis);
        // A database that is away has no time to tell; this host's is near enough for a pause.
        let now = self.tasks.store().now().await.unwrap_or_else(|_| Utc::now());
        let by_the_clock = (now - self.attempts.failing_since.unwrap_or(now)).to_std().unwrap_or_default();
        if self.attempts.failures == 0 {
            // Another host may have ended an earlier row of failures.
            self.tasks.stopwatches().stop(&self.task.id, Span::Failing);
        }
        let failing = self.tasks.stopwatches().elapsed(&self.task.id, Span::Failing, by_the_clock);
        self.tasks.config().retry.after(self.attempts, retry_after, now, failing, rand::random())
    }

    /// As a cancel, of a task that took longer than it may.
    async fn expire(&mut self, handler: &dyn Handler) {
        let seconds = self.longest.unwrap_or_default().as_secs();
        let error = Error::internal(format!(
            "it took longer than {seconds} s: raise `limits.task_seconds` of environment `{}`, or give it less to do",
            self.task.environment
        ));
        let next = match self.end_backend(handler).await {
            Err(_) if self.shutdown.is_cancelled() => Next::Due { after: Duration::ZERO, attempts: self.attempts },
            told => {
                let log = self.context.log();
                if let Err(error) = told {
                    log.log(Level::Warn, &format!("the backend could not be told to stop: {error}"));
                }
                log.log(Level::Error, &error.to_string());
                log.event("Warning", "DeadlineExceeded", &error.to_string());
                Next::Failed { error }
            }
        };
        self.conclude(handler, Remains::default(), next).await;
    }

    /// Has the handler end what its backend still does, then ends the task.
    async fn cancel(&mut self, handler: &dyn Handler) {
        let cancelled = self.end_backend(handler).await;
        let log = self.context.log();
        let next = match cancelled {
            Ok(()) => Next::Cancelled { error: None },
            Err(_) if self.shutdown.is_cancelled() => {
                Next::CancelAgain { after: Duration::ZERO, attempts: self.attempts }
            }
            Err(error) => {
                log.log(Level::Warn, &format!("the backend could not be told to stop: {error}"));
                match self.retry(&error).await {
                    Some(retry) => Next::CancelAgain { after: retry.after, attempts: retry.attempts },
                    None => Next::Cancelled { error: Some(error) },
                }
            }
        };
        if matches!(next, Next::Cancelled { .. }) {
            log.event("Normal", "Cancelled", "the task was cancelled");
        }
        self.conclude(handler, Remains::default(), next).await;
    }

    /// Has the handler end what its backend still does.
    async fn end_backend(&mut self, handler: &dyn Handler) -> Result<()> {
        match self.tasks.store().task(&self.task.id).await {
            // With what the interrupted step saved on its way.
            Ok(Some(task)) => self.task = task,
            Ok(None) => return Ok(()),
            Err(error) => tracing::warn!(task = self.task.id, %error, "cancelling from an earlier state"),
        }
        self.in_time(handler.cancel(&self.task, &self.context)).await
    }

    /// Writes what comes next; before the end of a task that did not succeed, its handler gives up what it keeps for it.
    async fn conclude(&self, handler: &dyn Handler, remains: Remains, next: Next) {
        if matches!(next, Next::Failed { .. } | Next::Cancelled { .. })
            && let Err(error) = self.in_time(handler.give_up(&self.task)).await
        {
            self.context.log().log(Level::Warn, &format!("what the task leaves could not be taken away: {error}"));
        }
        self.write(remains, next).await;
    }

    async fn in_time(&self, work: impl Future<Output = Result<()>>) -> Result<()> {
        let timeout = self.tasks.config().cancel_timeout;
        let work = AssertUnwindSafe(work).catch_unwind();
        tokio::select! {
            ended = tokio::time::timeout(timeout, work) => flat(ended, timeout),
            () = self.out_of_time() => Err(Error::unavailable("the host stops")),
        }
    }

    async fn out_of_time(&self) {
        self.shutdown.cancelled().await;
        tokio::time::sleep(self.tasks.config().interrupt_grace).await;
    }

    /// Writes until it is written; answers whether this worker still has the task. What a step left is not given up for a
    /// disk that is full or a database that is locked: the lease is kept meanwhile, by the heartbeat.
    async fn write(&self, mut remains: Remains, mut next: Next) -> bool {
        let mut last_writes = 0;
        loop {
            let left = Left { state: remains.state.as_ref(), details: remains.details.as_ref(), plugin: None };
            let error = match self.context.write(left, next.clone()).await {
                Ok(()) => {
                    if next.is_final() {
                        for span in [Span::UnderWay, Span::Failing] {
                            self.tasks.stopwatches().stop(&self.task.id, span);
                        }
                        self.tasks.ended();
                    }
                    return true;
                }
                Err(StoreError::LeaseLost(_)) => {
                    tracing::warn!(task = self.task.id, "another worker has this task by now: this write was refused");
                    return false;
                }
                Err(error) => error,
            };
            tracing::error!(task = self.task.id, %error, "a step cannot be stored");
            if !matches!(error, StoreError::Unavailable { .. }) {
                // Repeating it would fail again: the task ends with the reason, without what cannot be stored.
                remains = Remains::default();
                let error = Error::internal(format!("what a step left cannot be stored: {error}"));
                next = Next::Failed { error };
            }
            if self.shutdown.is_cancelled() {
                last_writes += 1;
                if last_writes >= LAST_WRITES {
                    return false;
                }
            }
            tokio::time::sleep(WRITE_AGAIN).await;
        }
    }
}

fn parts(outcome: StepOutcome) -> (Ended, Remains) {
    let (ended, state, details) = match outcome {
        StepOutcome::Continue { state, progress, details, after } => {
            (Ended::Continue { progress, after }, state, details)
        }
        StepOutcome::Succeeded { state, outcome, details } => (Ended::Succeeded { outcome }, state, details),
        StepOutcome::Failed { state, error, details } => (Ended::Failed { error }, state, details),
        StepOutcome::Interrupted { state } => (Ended::Interrupted, state, Value::Null),
    };
    let says_nothing = details.is_null() || details.as_object().is_some_and(serde_json::Map::is_empty);
    (ended, Remains { state: Some(state), details: (!says_nothing).then_some(details) })
}

type Caught<T> = std::result::Result<T, Box<dyn Any + Send>>;

fn flat(ended: std::result::Result<Caught<Result<()>>, tokio::time::error::Elapsed>, timeout: Duration) -> Result<()> {
    match ended {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(broken(&*panic)),
        Err(_) => Err(Error::unavailable(format!("it did not answer within {} s", timeout.as_secs()))),
    }
}

fn broken(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("the step broke off, by a defect of the host: {}", text.unwrap_or("no reason given")))
}
