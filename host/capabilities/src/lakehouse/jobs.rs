//! Statements under way, by environment, plugin, task and key.
//!
//! They live in memory: a host that restarts knows none of them, says `not-found`, and gets them submitted again; the key
//! in the commit keeps a statement that had just finished from being written twice. One that failed for now, as for a full disk, is
//! forgotten once that was told: whoever asks again is to submit it again, and does not get the old answer for ever. Each runs on a task of this struct,
//! so it outlives the plugin's call, and ends when the struct does.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use asgard_contract::lakehouse::Written;
use asgard_contract::{Error, Progress, Result};
use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tracing::Instrument as _;

use super::StatementStatus;

/// A plugin asks again within seconds; a host that stands still for a while must still find the answer.
const KEPT: Duration = Duration::from_secs(15 * 60);

/// A poll waits this long for the end: most statements of small tables end within it, and save a whole step.
const POLL_WAITS: Duration = Duration::from_millis(25);

/// Cancelled statements end at their next pause; see the WIT's promise of a second.
const CANCELLING: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Jobs {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_id: HashMap<String, Job>,
    tasks: JoinSet<()>,
}

struct Job {
    started: Instant,
    progress: watch::Receiver<Progress>,
    end: watch::Receiver<Option<End>>,
    abort: AbortHandle,
}

#[derive(Clone)]
struct End {
    at: Instant,
    result: Result<Written>,
}

impl Jobs {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether submitting again changes nothing. What failed for now may be tried again.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.inner().knows(id)
    }

    /// Runs `work` under `id`, unless something does already.
    pub(super) fn start<F>(&self, id: String, work: impl FnOnce(watch::Sender<Progress>) -> F)
    where
        F: Future<Output = Result<Written>> + Send + 'static,
    {
        let mut inner = self.inner();
        inner.forget_old();
        if inner.knows(&id) {
            return;
        }
        let (progress_sender, progress) = watch::channel(Progress { message: "running".to_owned(), fraction: None });
        let (end_sender, end) = watch::channel(None);
        let work = AssertUnwindSafe(work(progress_sender)).catch_unwind();
        let span = tracing::info_span!("statement", job = id);
        let task = async move {
            let result = work.await.unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                Err(Error::internal(format!(
                    "a defect of the engine: {}",
                    text.unwrap_or_else(|| "it panicked".to_owned())
                )))
            });
            end_sender.send_replace(Some(End { at: Instant::now(), result }));
        };
        let abort = inner.tasks.spawn(task.instrument(span));
        inner.by_id.insert(id, Job { started: Instant::now(), progress, end, abort });
    }

    pub(super) async fn poll(&self, id: &str, key: &str) -> Result<StatementStatus> {
        let (started, progress, mut end) = {
            let inner = self.inner();
            let job = inner.by_id.get(id).ok_or_else(|| {
                Error::not_found(format!("this host knows no statement `{key}` of this task: submit it again"))
            })?;
            (job.started, job.progress.clone(), job.end.clone())
        };
        let waited = tokio::time::timeout(POLL_WAITS, end.wait_for(Option::is_some)).await;
        let ended = match waited {
            Ok(Ok(end)) => end.clone(),
            // Its task is gone without a result.
            Ok(Err(_)) => {
                return Ok(StatementStatus::Failed(Error::conflict(format!("statement `{key}` was cancelled"))));
            }
            Err(_) => None,
        };
        Ok(match ended.map(|end| end.result) {
            Some(Ok(written)) => StatementStatus::Succeeded(written),
            Some(Err(error)) => {
                if error.is_retryable() {
                    self.inner().by_id.remove(id);
                }
                StatementStatus::Failed(error)
            }
            None => StatementStatus::Running {
                progress: progress.borrow().clone(),
                poll_after_ms: pause(started.elapsed()),
            },
        })
    }

    pub(super) async fn cancel(&self, id: &str) {
        let Some((abort, mut end)) = self.inner().by_id.get(id).map(|job| (job.abort.clone(), job.end.clone())) else {
            return;
        };
        abort.abort();
        // Either it ends, or its task drops the sender.
        let _ = tokio::time::timeout(CANCELLING, end.wait_for(Option::is_some)).await;
    }
}

impl Inner {
    fn knows(&self, id: &str) -> bool {
        let failed_for_now =
            |job: &Job| matches!(&*job.end.borrow(), Some(End { result: Err(error), .. }) if error.is_retryable());
        self.by_id.get(id).is_some_and(|job| !failed_for_now(job))
    }

    fn forget_old(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.by_id.retain(|_, job| match &*job.end.borrow() {
            Some(end) => end.at.elapsed() < KEPT,
            None => !job.abort.is_finished() || job.started.elapsed() < KEPT,
        });
    }
}

/// A tenth of the time so far: a poll costs the same for short and long statements.
fn pause(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_millis() / 10).unwrap_or(u32::MAX).clamp(20, 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_statement_runs_once_and_its_answer_stays() {
        let jobs = Jobs::default();
        for rows in [1, 2] {
            jobs.start("a".to_owned(), |_| async move { Ok(Written { rows, ..Written::default() }) });
        }
        for _ in 0..2 {
            let status = jobs.poll("a", "a").await.unwrap();
            assert_eq!(status, StatementStatus::Succeeded(Written { rows: 1, ..Written::default() }));
        }
        assert!(matches!(jobs.poll("b", "b").await, Err(Error::NotFound { .. })));
    }

    #[tokio::test]
    async fn a_running_statement_tells_its_progress_and_is_cancelled_at_once() {
        let jobs = Jobs::default();
        let (dropped, was_dropped) = tokio::sync::oneshot::channel::<()>();
        jobs.start("a".to_owned(), |progress| async move {
            let _dropped = dropped;
            progress.send_replace(Progress { message: "halfway".to_owned(), fraction: Some(0.5) });
            std::future::pending().await
        });
        let StatementStatus::Running { progress, poll_after_ms } = jobs.poll("a", "a").await.unwrap() else { panic!() };
        assert_eq!((progress.message.as_str(), poll_after_ms), ("halfway", 20));

        let before = Instant::now();
        jobs.cancel("a").await;
        assert!(was_dropped.await.is_err());
        assert!(before.elapsed() < Duration::from_millis(500));
        assert!(matches!(jobs.poll("a", "a").await.unwrap(), StatementStatus::Failed(Error::Conflict { .. })));
        jobs.cancel("a").await;
    }

    #[tokio::test]
    async fn what_failed_for_now_may_be_submitted_again() {
        let jobs = Jobs::default();
        jobs.start("a".to_owned(), |_| async { Err(Error::unavailable("the disk is full")) });
        assert!(matches!(jobs.poll("a", "a").await.unwrap(), StatementStatus::Failed(_)));
        assert!(matches!(jobs.poll("a", "a").await, Err(Error::NotFound { .. })), "it is told once");
        jobs.start("a".to_owned(), |_| async { Ok(Written::default()) });
        assert!(matches!(jobs.poll("a", "a").await.unwrap(), StatementStatus::Succeeded(_)));
    }

    #[tokio::test]
    async fn a_defect_of_the_engine_fails_its_statement_only() {
        let jobs = Jobs::default();
        jobs.start("a".to_owned(), |_| async { panic!("index out of bounds") });
        let StatementStatus::Failed(Error::Internal { message }) = jobs.poll("a", "a").await.unwrap() else { panic!() };
        assert!(message.contains("index out of bounds"), "{message}");
    }

    #[test]
    fn polls_are_quick_at_first_and_never_slow() {
        assert_eq!([0, 100, 3_000, 1_000_000].map(|ms| pause(Duration::from_millis(ms))), [20, 20, 300, 1000]);
    }
}
