//! What a task says can be read while it says it.

use std::sync::Arc;
use std::time::Duration;

use crate::host::{LONG, TestHost};
use asgard_contract::log::Level;
use asgard_contract::{Progress, Result};
use asgard_tasks::{Handler, StepContext, StepOutcome, Task, TaskStatus};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Says something, then waits until it may go on.
struct Talking {
    go_on: Notify,
}

#[async_trait]
impl Handler for Talking {
    async fn step(&self, _: &Task, context: &StepContext) -> StepOutcome {
        let log = context.log();
        log.log(Level::Info, "one");
        log.log(Level::Warn, "two");
        log.event("Normal", "Pulled", "an image");
        context.progress(Progress { message: "half".into(), fraction: Some(0.5) });
        self.go_on.notified().await;
        log.log(Level::Info, "three");
        StepOutcome::Succeeded { state: Value::Null, outcome: Value::Null, details: json!({"pod": "p"}) }
    }

    async fn cancel(&self, _: &Task, _: &StepContext) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_of_a_running_step_can_be_followed() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Arc::new(Talking { go_on: Notify::new() });
    let host = TestHost::start(folder.path(), handler.clone()).await;
    let task = host.submit().await;
    let lines = async {
        loop {
            let lines = host.tasks.log(&task.id, 0, 100).await.unwrap();
            if !lines.is_empty() {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let lines = tokio::time::timeout(LONG, lines).await.unwrap();
    let said: Vec<_> = lines.iter().map(|line| (line.position, line.level, line.message.as_str())).collect();
    assert_eq!(said, [(1, Level::Info, "one"), (2, Level::Warn, "two")]);
    let running = host.tasks.get(&task.id).await.unwrap().unwrap();
    assert_eq!(running.status, TaskStatus::Running);
    assert_eq!(running.progress, Some(Progress { message: "half".into(), fraction: Some(0.5) }));

    handler.go_on.notify_one();
    let ended = host.end_of(&task).await;
    assert_eq!(ended.details, json!({"pod": "p"}));
    let rest = host.tasks.log(&task.id, 2, 100).await.unwrap();
    assert_eq!(rest.iter().map(|line| (line.position, line.message.as_str())).collect::<Vec<_>>(), [(3, "three")]);
    let reasons: Vec<String> =
        host.tasks.events(&task.id, 0, 100).await.unwrap().into_iter().map(|event| event.reason).collect();
    assert_eq!(reasons, ["Started", "Pulled", "Succeeded"]);
}

#[tokio::test]
async fn waiting_ends_with_the_task_or_with_patience() {
    let folder = tempfile::tempdir().unwrap();
    let handler = Arc::new(Talking { go_on: Notify::new() });
    let host = TestHost::start(folder.path(), handler.clone()).await;
    let task = host.submit().await;
    let still = host.tasks.wait(&task.id, Duration::from_millis(200)).await.unwrap();
    assert!(!still.status.is_final());
    let (ended, ()) = tokio::join!(host.tasks.wait(&task.id, LONG), async { handler.go_on.notify_one() });
    assert_eq!(ended.unwrap().status, TaskStatus::Succeeded);
    assert!(host.tasks.wait("none", LONG).await.is_err());
}
