//! Clocks that are put forward while tasks are under way.
//!
//! To a task, a clock that is an hour ahead is the same as a beginning that is an hour earlier.

use std::sync::Arc;
use std::time::Duration;

use crate::host::{Counting, Failing, TestHost, allow, quick};
use asgard_contract::Error;
use asgard_store::testing;
use asgard_tasks::{Allowance, RetryPolicy, Task, TaskStatus, TasksConfig};

const HOUR: u64 = 3_600_000;

/// Puts the beginnings of the task back, again and again, until it has ended.
async fn end_in_jumps(host: &TestHost, folder: &std::path::Path, task: &Task, column: &str) -> (Task, u32) {
    let jump = format!("UPDATE tasks SET {column} = {column} - {HOUR} WHERE {column} IS NOT NULL");
    let mut jumps = 0;
    loop {
        let now = host.tasks.get(&task.id).await.unwrap().unwrap();
        if now.status.is_final() {
            return (now, jumps);
        }
        if now.started_at.is_some() {
            testing::execute(folder, &jump).await.unwrap();
            jumps += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_put_forward_does_not_use_up_the_time_of_a_task() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Arc::new(Counting { to: 20, pause: Duration::from_millis(50), steps: 0.into() });
    let host = TestHost::start(folder.path(), handler).await;
    allow(&host, Allowance { longest: Some(Duration::from_secs(600)), ..Allowance::default() });
    let (task, jumps) = end_in_jumps(&host, folder.path(), &host.submit().await, "started_at").await;
    assert_eq!((task.status, task.error), (TaskStatus::Succeeded, None));
    assert!(jumps > 1, "{jumps} jumps");
}

#[tokio::test]
async fn a_clock_that_is_put_forward_does_not_use_up_the_patience_with_a_backend() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Failing::with(Error::unavailable("connection refused"), 20);
    let retry = RetryPolicy { patience: Duration::from_secs(600), ..quick().retry };
    let host = TestHost::with(folder.path(), handler, TasksConfig { retry, ..quick() }).await;
    let (task, jumps) = end_in_jumps(&host, folder.path(), &host.submit().await, "failing_since").await;
    assert_eq!((task.status, task.error), (TaskStatus::Succeeded, None));
    assert!(jumps > 1, "{jumps} jumps");
}

#[tokio::test]
async fn what_passed_before_this_host_met_a_task_counts_by_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let slow = || Arc::new(Counting { to: 1000, pause: Duration::from_millis(50), steps: 0.into() });
    let first = TestHost::start(folder.path(), slow()).await;
    let task = first.submit().await;
    first.state_of(&task, serde_json::json!(1)).await;
    first.stop().await;
    testing::execute(folder.path(), &format!("UPDATE tasks SET started_at = started_at - {HOUR}")).await.unwrap();
    let second = TestHost::start(folder.path(), slow()).await;
    allow(&second, Allowance { longest: Some(Duration::from_secs(600)), ..Allowance::default() });
    let error = second.end_of(&task).await.error.unwrap().to_string();
    assert!(error.contains("longer than 600 s"), "{error}");
}
