//! What environments allow: how many tasks at once, and how long each.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::host::{Counting, KIND, Long, TestHost, allow};
use asgard_contract::Result;
use asgard_tasks::{Allowance, Concurrency, Handler, NewTask, StepContext, StepOutcome, Task, TaskStatus};
use async_trait::async_trait;
use serde_json::{Value, json};

/// Two steps with a pause between them: a task is under way in the pause too.
#[derive(Default)]
struct Crowd {
    here: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Handler for Crowd {
    async fn step(&self, task: &Task, _: &StepContext) -> StepOutcome {
        if task.state.is_null() {
            let here = self.here.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(here, Ordering::SeqCst);
            let after = Duration::from_millis(300);
            return StepOutcome::Continue { state: json!("begun"), progress: None, details: Value::Null, after };
        }
        self.here.fetch_sub(1, Ordering::SeqCst);
        StepOutcome::succeeded(Value::Null)
    }

    async fn cancel(&self, _: &Task, _: &StepContext) -> Result<()> {
        Ok(())
    }
}

async fn most_at_once(concurrency: Concurrency) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let crowd = Arc::new(Crowd::default());
    let host = TestHost::start(folder.path(), crowd.clone()).await;
    allow(&host, Allowance { concurrency, longest: None });
    let mut tasks = Vec::new();
    for _ in 0..6 {
        tasks.push(host.tasks.submit(NewTask::new("local", KIND).backend("spark")).await.unwrap());
    }
    for task in &tasks {
        assert_eq!(host.end_of(task).await.status, TaskStatus::Succeeded);
    }
    crowd.most.load(Ordering::SeqCst)
}

#[tokio::test]
async fn no_more_tasks_are_under_way_than_their_environment_allows() {
    let one = |name: &str, limit: u32| HashMap::from([(name.to_owned(), limit)]);
    for (concurrency, most) in [
        (Concurrency { tasks: Some(1), ..Concurrency::default() }, 1),
        (Concurrency { kinds: one(KIND, 2), ..Concurrency::default() }, 2),
        (Concurrency { backends: one("spark", 1), tasks: Some(5), ..Concurrency::default() }, 1),
    ] {
        assert_eq!(most_at_once(concurrency.clone()).await, most, "{concurrency:?}");
    }
    let of_another = Concurrency { backends: one("another", 1), ..Concurrency::default() };
    assert!(most_at_once(of_another).await > 2);
}

#[tokio::test]
async fn a_full_environment_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(folder.path(), Counting::to(1)).await;
    allow(&host, Allowance { concurrency: Concurrency { tasks: Some(0), ..Concurrency::default() }, longest: None });
    for _ in 0..40 {
        host.submit().await;
    }
    let other = host.tasks.submit(NewTask::new("production", KIND)).await.unwrap();
    assert_eq!(host.end_of(&other).await.status, TaskStatus::Succeeded);
}

#[tokio::test]
async fn a_task_that_takes_longer_than_it_may_fails_and_its_backend_is_told() {
    for handler in [Long::listening(), Long::deaf()] {
        let folder = tempfile::tempdir().unwrap();
        let host = TestHost::start(folder.path(), handler.clone()).await;
        allow(&host, Allowance { longest: Some(Duration::from_secs(1)), ..Allowance::default() });
        let task = host.end_of(&host.submit().await).await;
        assert_eq!((task.status, handler.cancelled()), (TaskStatus::Failed, 1));
        let error = task.error.unwrap().to_string();
        assert!(error.contains("longer than 1 s") && error.contains("limits.task_seconds"), "{error}");
    }
}

#[tokio::test]
async fn a_deadline_counts_over_all_steps() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Arc::new(Counting { to: 1000, pause: Duration::from_millis(50), steps: 0.into() });
    let host = TestHost::start(folder.path(), handler.clone()).await;
    allow(&host, Allowance { longest: Some(Duration::from_secs(1)), ..Allowance::default() });
    let task = host.end_of(&host.submit().await).await;
    assert_eq!(task.status, TaskStatus::Failed);
    assert!(handler.taken() > 3 && handler.taken() < 30, "{} steps", handler.taken());
}
