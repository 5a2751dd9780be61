//! What may pass is repeated, with pauses and an end; what will stay wrong is not.

use std::time::{Duration, Instant};

use crate::host::{Failing, TestHost, quick};
use asgard_contract::Error;
use asgard_contract::log::Level;
use asgard_tasks::{RetryPolicy, TaskStatus, TasksConfig};
use serde_json::json;

#[tokio::test]
async fn a_backend_that_is_away_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Failing::with(Error::unavailable("connection refused"), 3);
    let host = TestHost::start(folder.path(), handler.clone()).await;
    let task = host.submit().await;
    let task = host.end_of(&task).await;
    assert_eq!((task.status, task.error, handler.taken()), (TaskStatus::Succeeded, None, 4));

    let warnings: Vec<String> =
        host.tasks.log(&task.id, 0, 100).await.unwrap().into_iter().map(|l| l.message).collect();
    assert_eq!(warnings.len(), 3);
    assert!(warnings[2].starts_with("failure 3 in a row, trying again in "), "{warnings:?}");
    let reasons: Vec<String> =
        host.tasks.events(&task.id, 0, 100).await.unwrap().into_iter().map(|event| event.reason).collect();
    assert_eq!(reasons, ["Started", "Retrying", "Retrying", "Retrying", "Succeeded"]);
}

#[tokio::test]
async fn wrong_input_ends_a_task_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for error in [Error::invalid("sql", "no"), Error::not_found("no"), Error::forbidden("no"), Error::internal("no")] {
        let handler = Failing::with(error.clone(), 1);
        let host = TestHost::start(folder.path(), handler.clone()).await;
        let task = host.submit().await;
        let task = host.end_of(&task).await;
        assert_eq!((task.status, task.error, handler.taken()), (TaskStatus::Failed, Some(error), 1));
        host.stop().await;
    }
}

#[tokio::test]
async fn a_backend_that_stays_away_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Failing::with(Error::unavailable("connection refused"), u32::MAX);
    let host = TestHost::start(folder.path(), handler.clone()).await;
    let task = host.submit().await;
    let task = host.end_of(&task).await;
    assert_eq!(task.error, Some(Error::unavailable("connection refused")));
    assert_eq!(task.state, json!(handler.taken() - 1));
    let log = host.tasks.log(&task.id, 0, 1000).await.unwrap();
    assert!(log.iter().any(|line| line.level == Level::Error && line.message.starts_with("given up after")));
}

#[tokio::test]
async fn a_task_has_one_budget_of_retries_for_its_whole_life() {
    let folder = tempfile::tempdir().unwrap();
    let retry = RetryPolicy { budget: 2, ..quick().retry };
    let handler = Failing::with(Error::unavailable("flaky"), u32::MAX);
    let host = TestHost::with(folder.path(), handler.clone(), TasksConfig { retry, ..quick() }).await;
    let task = host.submit().await;
    host.end_of(&task).await;
    assert_eq!(handler.taken(), 3);
}

#[tokio::test]
async fn a_backend_is_not_asked_before_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let busy = Error::Unavailable { message: "busy".into(), retry_after_ms: Some(400) };
    let host = TestHost::start(folder.path(), Failing::with(busy, 1)).await;
    let begun = Instant::now();
    let task = host.submit().await;
    host.end_of(&task).await;
    assert!(begun.elapsed() >= Duration::from_millis(400));
}
