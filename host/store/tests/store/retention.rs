//! How long ended tasks are kept.

use std::time::Duration;

use asgard_contract::Error;
use asgard_contract::log::Level;
use asgard_store::tasks::{Limits, NewEvent, NewLogLine, NewTask, Next, Removed, StepWrite, TaskRetention};
use asgard_store::{Store, testing};
use chrono::Utc;
use serde_json::Value;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A task that has said something and ended as told; its id.
async fn ended(store: &Store, subject: &str, next: Next) -> String {
    store.insert_task(&NewTask::new("local", "sync").subject(subject)).await.unwrap();
    let lease = store.lease_due("a", &["sync".to_owned()], DAY, 1, &Limits::new()).await.unwrap().remove(0).lease;
    let line = NewLogLine { time: Utc::now(), level: Level::Info, message: "said".into() };
    let (kind, reason, message) = ("Normal".into(), "Ended".into(), "ended".into());
    let event = NewEvent { time: Utc::now(), kind, reason, message };
    let (log, events) = ([line], [event]);
    let step = StepWrite { state: None, progress: None, details: None, plugin: None, log: &log, events: &events, next };
    store.write_step(&lease, step).await.unwrap();
    lease.task().to_owned()
}

#[tokio::test]
async fn what_is_old_goes_and_what_is_needed_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    let succeeded = || Next::Succeeded { outcome: Value::Null };
    let failed = || Next::Failed { error: Error::internal("broken") };
    let oldest = ended(&store, "orders", succeeded()).await;
    let newest_success = ended(&store, "orders", succeeded()).await;
    let newest = ended(&store, "orders", failed()).await;
    let only = ended(&store, "customers", succeeded()).await;
    let recent = ended(&store, "customers", failed()).await;
    let unfinished = store.insert_task(&NewTask::new("local", "sync").subject("orders")).await.unwrap().id;
    let ages = format!("UPDATE tasks SET finished_at = 1000 WHERE finished_at IS NOT NULL AND id <> '{recent}'");
    testing::execute(folder.path(), &ages).await.unwrap();

    let keep = TaskRetention { logs: DAY, tasks: 2 * DAY };
    assert_eq!(store.remove_old_tasks(keep).await.unwrap(), Removed { logs: 3, tasks: 1 });
    assert!(store.task(&oldest).await.unwrap().is_none());
    for id in [&newest_success, &newest, &only, &recent, &unfinished] {
        assert!(store.task(id).await.unwrap().is_some(), "{id}");
    }
    for (id, said) in [(&oldest, 0), (&newest_success, 0), (&newest, 0), (&only, 0), (&recent, 1)] {
        assert_eq!(store.task_log(id, 0, 10).await.unwrap().len(), said, "{id}");
        assert_eq!(store.task_events(id, 0, 10).await.unwrap().len(), said, "{id}");
    }
    assert_eq!(store.remove_old_tasks(keep).await.unwrap(), Removed::default());
}

#[tokio::test]
async fn what_goes_in_many_pieces_goes_in_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    for _ in 0..300 {
        ended(&store, "orders", Next::Succeeded { outcome: Value::Null }).await;
    }
    testing::execute(folder.path(), "UPDATE tasks SET finished_at = 1000").await.unwrap();
    let removed = store.remove_old_tasks(TaskRetention { logs: DAY, tasks: DAY }).await.unwrap();
    assert_eq!(removed, Removed { logs: 1, tasks: 299 });
}
