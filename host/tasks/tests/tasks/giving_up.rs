//! What a task keeps for its success is taken away when that does not come, whichever way it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::host::TestHost;
use asgard_contract::{Error, Result};
use asgard_tasks::{Handler, StepContext, StepOutcome, Task, TaskStatus};
use async_trait::async_trait;
use serde_json::{Value, json};

struct Keeping {
    /// What every step comes to; none = it saves `"saved"` and waits to be told.
    step: Option<StepOutcome>,
    /// What giving up answers.
    answer: Result<()>,
    given_up: AtomicU32,
}

impl Keeping {
    fn with(step: Option<StepOutcome>, answer: Result<()>) -> Arc<Self> {
        Arc::new(Self { step, answer, given_up: AtomicU32::new(0) })
    }

    fn given_up(&self) -> u32 {
        self.given_up.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Handler for Keeping {
    async fn step(&self, _: &Task, context: &StepContext) -> StepOutcome {
        if let Some(outcome) = &self.step {
            return outcome.clone();
        }
        if let Err(error) = context.save(json!("saved")).await {
            return StepOutcome::failed(Value::Null, error);
        }
        context.cancelled().await;
        StepOutcome::interrupted(json!("saved"))
    }

    async fn cancel(&self, _: &Task, _: &StepContext) -> Result<()> {
        Ok(())
    }

    async fn give_up(&self, _: &Task) -> Result<()> {
        self.given_up.fetch_add(1, Ordering::SeqCst);
        self.answer.clone()
    }
}

#[tokio::test]
async fn what_failed_for_good_is_given_up_once_and_what_succeeded_is_not() {
    for (step, status, times) in [
        (StepOutcome::succeeded(Value::Null), TaskStatus::Succeeded, 0),
        (StepOutcome::failed(Value::Null, Error::conflict("changed on both")), TaskStatus::Failed, 1),
        (StepOutcome::failed(Value::Null, Error::unavailable("connection refused")), TaskStatus::Failed, 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let handler = Keeping::with(Some(step), Ok(()));
        let host = TestHost::start(folder.path(), handler.clone()).await;
        let task = host.submit().await;
        assert_eq!((host.end_of(&task).await.status, handler.given_up()), (status, times));
        host.stop().await;
    }
}

#[tokio::test]
async fn what_was_cancelled_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Keeping::with(None, Ok(()));
    let host = TestHost::start(folder.path(), handler.clone()).await;
    let task = host.submit().await;
    host.state_of(&task, json!("saved")).await;
    assert_eq!(host.tasks.cancel(&task.id).await.unwrap().status, TaskStatus::Cancelled);
    assert_eq!(handler.given_up(), 1);
}

#[tokio::test]
async fn what_cannot_be_taken_away_keeps_no_task_from_its_end_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let failed = StepOutcome::failed(Value::Null, Error::conflict("changed on both"));
    let handler = Keeping::with(Some(failed), Err(Error::unavailable("the catalog is away")));
    let host = TestHost::start(folder.path(), handler).await;
    let task = host.submit().await;
    assert_eq!(host.end_of(&task).await.error, Some(Error::conflict("changed on both")));
    let log = host.tasks.log(&task.id, 0, 100).await.unwrap();
    assert!(log.iter().any(|line| line.message.contains("the catalog is away")), "{log:?}");
}
