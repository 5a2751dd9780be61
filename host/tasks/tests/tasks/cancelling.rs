//! A cancel reaches the step, the backend and the store, once and for all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::host::{Counting, KIND, Long, TestHost, quick};
use asgard_contract::Error;
use asgard_tasks::{NewTask, TaskStatus, Tasks, TasksConfig};
use serde_json::json;

#[tokio::test]
async fn a_running_step_is_interrupted_and_its_backend_told() {
    for handler in [Long::listening(), Long::deaf()] {
        let folder = tempfile::tempdir().unwrap();
        let host = TestHost::start(folder.path(), handler.clone()).await;
        let task = host.submit().await;
        host.state_of(&task, json!("saved")).await;
        let begun = Instant::now();
        let cancelled = host.tasks.cancel(&task.id).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_eq!((cancelled.status, cancelled.error), (TaskStatus::Cancelled, None));
        assert_eq!(handler.cancelled(), 1);
        assert!(cancelled.finished_at.is_some());
    }
}

#[tokio::test]
async fn a_task_between_two_steps_is_cancelled_without_waiting_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Arc::new(Counting { to: 9, pause: Duration::from_secs(3600), steps: 0.into() });
    let host = TestHost::start(folder.path(), handler).await;
    let task = host.submit().await;
    host.state_of(&task, json!(1)).await;
    assert_eq!(host.tasks.cancel(&task.id).await.unwrap().status, TaskStatus::Cancelled);
}

#[tokio::test]
async fn cancelling_twice_is_cancelling_once_and_an_ended_task_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Long::listening();
    let host = TestHost::start(folder.path(), handler.clone()).await;
    let task = host.submit().await;
    host.state_of(&task, json!("saved")).await;
    let both = tokio::join!(host.tasks.cancel(&task.id), host.tasks.cancel(&task.id));
    for cancelled in [both.0, both.1, host.tasks.cancel(&task.id).await] {
        assert_eq!(cancelled.unwrap().status, TaskStatus::Cancelled);
    }
    assert_eq!(handler.cancelled(), 1);
    host.stop().await;

    let host = TestHost::start(folder.path(), Counting::to(1)).await;
    let task = host.submit().await;
    host.end_of(&task).await;
    assert_eq!(host.tasks.cancel(&task.id).await.unwrap().status, TaskStatus::Succeeded);
    assert!(host.tasks.cancel("none").await.is_err());
}

#[tokio::test]
async fn a_backend_that_does_not_listen_at_first_is_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Arc::new(Long {
        listens: true,
        cancels: 0.into(),
        cancel_error: Some((2, Error::unavailable("connection refused"))),
    });
    let host = TestHost::start(folder.path(), handler.clone()).await;
    let task = host.submit().await;
    host.state_of(&task, json!("saved")).await;
    let task = host.tasks.cancel(&task.id).await.unwrap();
    assert_eq!((task.status, task.error, handler.cancelled()), (TaskStatus::Cancelled, None, 3));
}

#[tokio::test]
async fn a_backend_that_refuses_to_be_told_leaves_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = Error::forbidden("may not delete");
    let handler = Arc::new(Long { listens: true, cancels: 0.into(), cancel_error: Some((u32::MAX, refusal.clone())) });
    let host = TestHost::start(folder.path(), handler).await;
    let task = host.submit().await;
    host.state_of(&task, json!("saved")).await;
    let task = host.tasks.cancel(&task.id).await.unwrap();
    assert_eq!((task.status, task.error), (TaskStatus::Cancelled, Some(refusal)));
}

#[tokio::test]
async fn a_cancel_outlives_the_host_that_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let first = TestHost::start(folder.path(), Long::deaf()).await;
    let task = first.submit().await;
    first.state_of(&task, json!("saved")).await;
    first.kill().await;

    // Asked of a host that does no work.
    let config = TasksConfig { cancel_answer: Duration::from_millis(100), ..quick() };
    let idle = Tasks::new(asgard_store::testing::open(folder.path()).await.unwrap(), config);
    assert_eq!(idle.cancel(&task.id).await.unwrap().status, TaskStatus::Running);

    let handler = Long::listening();
    let second = TestHost::start(folder.path(), handler.clone()).await;
    assert_eq!(second.end_of(&task).await.status, TaskStatus::Cancelled);
    assert_eq!(handler.cancelled(), 1);
}

#[tokio::test]
async fn a_cancel_reaches_a_step_on_another_host() {
    let folder = tempfile::tempdir().unwrap();
    let worker = TestHost::start(folder.path(), Long::listening()).await;
    let task = worker.submit().await;
    worker.state_of(&task, json!("saved")).await;
    let asked = Tasks::new(asgard_store::testing::open(folder.path()).await.unwrap(), quick());
    asked.cancel(&task.id).await.unwrap();
    assert_eq!(worker.end_of(&task).await.status, TaskStatus::Cancelled);
}

#[tokio::test]
async fn a_task_that_nobody_began_ends_without_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Counting::to(1);
    let idle = Tasks::new(asgard_store::testing::open(folder.path()).await.unwrap(), quick());
    idle.register(KIND, handler.clone());
    let task = idle.submit(NewTask::new("local", KIND)).await.unwrap();
    assert_eq!(idle.cancel(&task.id).await.unwrap().status, TaskStatus::Cancelled);
    let host = TestHost::start(folder.path(), handler.clone()).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(handler.taken(), 0);
    host.stop().await;
}
