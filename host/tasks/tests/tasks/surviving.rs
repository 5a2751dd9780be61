//! Tasks outlive their host: stopped, killed, paused, or broken by a defect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::host::{Counting, LONG, Long, TestHost, quick};
use asgard_contract::{Error, Result};
use asgard_tasks::{Handler, StepContext, StepOutcome, Task, TaskStatus, TasksConfig};
use async_trait::async_trait;
use serde_json::{Value, json};

#[tokio::test]
async fn the_next_host_goes_on_from_the_stored_state() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Arc::new(Counting { to: 6, pause: Duration::from_millis(100), steps: 0.into() });
    let first = TestHost::start(folder.path(), handler.clone()).await;
    let task = first.submit().await;
    first.state_of(&task, json!(3)).await;
    first.stop().await;

    let second = TestHost::start(folder.path(), handler.clone()).await;
    let task = second.end_of(&task).await;
    assert_eq!((task.status, task.state, task.outcome), (TaskStatus::Succeeded, json!(6), Some(json!("counted"))));
    assert_eq!(handler.taken(), 6, "no step was taken twice");
}

#[tokio::test]
async fn a_step_that_a_crash_ended_runs_again_at_once_when_its_host_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    // A lease far longer than the test: what is reclaimed did not run out.
    let config = TasksConfig { lease: Duration::from_secs(600), ..quick() };
    let first = TestHost::with(folder.path(), Long::deaf(), config.clone()).await;
    let task = first.submit().await;
    first.state_of(&task, json!("saved")).await;
    first.kill().await;

    let second = TestHost::with(folder.path(), Long::deaf(), config).await;
    assert_eq!(second.end_of(&task).await.state, json!("went on from saved"));
}

#[tokio::test]
async fn a_shutdown_interrupts_a_long_step_which_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let first = TestHost::start(folder.path(), Long::listening()).await;
    let task = first.submit().await;
    first.state_of(&task, json!("saved")).await;
    first.stop().await;

    let second = TestHost::start(folder.path(), Long::listening()).await;
    assert_eq!(second.end_of(&task).await.state, json!("went on from interrupted"));
}

#[tokio::test]
async fn a_step_that_does_not_listen_cannot_hold_up_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let first = TestHost::start(folder.path(), Long::deaf()).await;
    let task = first.submit().await;
    first.state_of(&task, json!("saved")).await;
    let begun = Instant::now();
    first.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());

    let second = TestHost::start(folder.path(), Long::deaf()).await;
    assert_eq!(second.end_of(&task).await.state, json!("went on from saved"));
}

#[tokio::test]
async fn another_host_takes_over_at_once_after_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let config = TasksConfig { lease: Duration::from_secs(600), ..quick() };
    let first = TestHost::with(folder.path(), Long::listening(), config.clone()).await;
    let task = first.submit().await;
    first.state_of(&task, json!("saved")).await;
    // It runs beside the first one, so it reclaims nothing.
    let second = TestHost::with(folder.path(), Long::listening(), config).await;
    first.stop().await;
    assert_eq!(second.end_of(&task).await.state, json!("went on from interrupted"));
}

/// Blocks the thread of its host, heartbeat and all, the first time; as SIGSTOP does.
struct Pausing {
    paused: AtomicBool,
}

#[async_trait]
impl Handler for Pausing {
    async fn step(&self, _: &Task, _: &StepContext) -> StepOutcome {
        if self.paused.swap(true, Ordering::SeqCst) {
            return StepOutcome::succeeded(json!("by the second host"));
        }
        std::thread::sleep(Duration::from_secs(3));
        StepOutcome::succeeded(json!("by the paused host"))
    }

    async fn cancel(&self, _: &Task, _: &StepContext) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_lost_lease_is_taken_over_and_the_old_holder_can_write_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Arc::new(Pausing { paused: AtomicBool::new(false) });
    let (path, paused) = (folder.path().to_owned(), handler.clone());
    let (submitted, task) = tokio::sync::oneshot::channel();
    let first = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let host = TestHost::start(&path, paused).await;
            let task = host.submit().await;
            submitted.send(task.clone()).unwrap();
            // Polled again when the pause is over; by then the task is another's.
            let ended = host.end_of(&task).await;
            host.stop().await;
            ended
        })
    });
    let task = task.await.unwrap();
    let second = TestHost::start(folder.path(), handler).await;
    assert_eq!(second.end_of(&task).await.state, json!("by the second host"));

    let seen_by_first = tokio::task::spawn_blocking(|| first.join().unwrap()).await.unwrap();
    assert_eq!(seen_by_first.state, json!("by the second host"));
    assert_eq!(second.tasks.get(&task.id).await.unwrap().unwrap().state, json!("by the second host"));
}

struct Defective;

#[async_trait]
impl Handler for Defective {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        context.save(json!("kept")).await.unwrap();
        panic!("the subject was {:?}", task.subject);
    }

    async fn cancel(&self, _: &Task, _: &StepContext) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_fails_its_own_task_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(folder.path(), Arc::new(Defective)).await;
    let (one, other) = (host.submit().await, host.submit().await);
    for task in [one, other] {
        let task = host.end_of(&task).await;
        assert!(matches!(&task.error, Some(Error::Internal { message }) if message.contains("the subject was")));
        assert_eq!(task.state, json!("kept"));
    }
    host.stop().await;
}

#[tokio::test]
async fn no_more_steps_run_at_once_than_the_host_allows() {
    struct Crowd(std::sync::atomic::AtomicUsize, std::sync::atomic::AtomicUsize);
    #[async_trait]
    impl Handler for Crowd {
        async fn step(&self, _: &Task, _: &StepContext) -> StepOutcome {
            let here = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            self.1.fetch_max(here, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(30)).await;
            self.0.fetch_sub(1, Ordering::SeqCst);
            StepOutcome::succeeded(Value::Null)
        }
        async fn cancel(&self, _: &Task, _: &StepContext) -> Result<()> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let crowd = Arc::new(Crowd(0.into(), 0.into()));
    let config = TasksConfig { concurrency: 3, ..quick() };
    let host = TestHost::with(folder.path(), crowd.clone(), config).await;
    let mut tasks = Vec::new();
    for _ in 0..10 {
        tasks.push(host.submit().await);
    }
    for task in &tasks {
        host.end_of(task).await;
    }
    assert_eq!(crowd.1.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_new_task_starts_without_waiting_for_a_poll() {
    let folder = tempfile::tempdir().unwrap();
    let config = TasksConfig { poll: LONG, ..quick() };
    let host = TestHost::with(folder.path(), Counting::to(20), config).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    let task = host.submit().await;
    host.end_of(&task).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "20 steps took {:?}", begun.elapsed());
}
