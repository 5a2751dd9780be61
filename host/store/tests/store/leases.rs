//! Leases: one worker has a task, and only that one can write it.

use std::time::Duration;

use asgard_contract::{Error, Progress};
use asgard_store::tasks::{Attempts, Lease, Limits, NewTask, Next, StepWrite, TaskStatus};
use asgard_store::{Store, StoreError, StoreResult, testing};
use serde_json::{Value, json};

fn kinds() -> Vec<String> {
    vec!["sync".to_owned()]
}

const MINUTE: Duration = Duration::from_secs(60);

/// What was leased for no time has run out after this.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

async fn write(store: &Store, lease: &Lease, state: &Value, next: Next) -> StoreResult<()> {
    let progress = Progress { message: "half".into(), fraction: Some(0.5) };
    let step = StepWrite {
        state: Some(state),
        progress: Some(&progress),
        details: None,
        plugin: None,
        log: &[],
        events: &[],
        next,
    };
    store.write_step(lease, step).await
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn a_leased_task_is_nobody_elses_until_its_lease_runs_out() {
    let (_folder, store) = store().await;
    store.insert_task(&NewTask::new("local", "sync")).await.unwrap();
    store.insert_task(&NewTask::new("local", "unknown here")).await.unwrap();
    let mine = store.lease_due("a", &kinds(), MINUTE, 9, &Limits::new()).await.unwrap();
    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0].task.status, TaskStatus::Running);
    assert!(store.lease_due("b", &kinds(), MINUTE, 9, &Limits::new()).await.unwrap().is_empty());

    let held = store.renew_leases("a", Duration::ZERO).await.unwrap();
    a_moment().await;
    assert_eq!(held[0].lease, mine[0].lease);
    assert!(store.lease_due("a", &kinds(), MINUTE, 9, &Limits::new()).await.unwrap().is_empty(), "its own work");
    assert_eq!(store.next_due("b", &kinds(), MINUTE).await.unwrap(), Some(Duration::ZERO));
    assert_eq!(store.lease_due("b", &kinds(), MINUTE, 9, &Limits::new()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_task_goes_on_where_it_was_unless_it_is_late() {
    let (_folder, store) = store().await;
    store.insert_task(&NewTask::new("local", "sync")).await.unwrap();
    let lease = async |owner: &str, time: Duration| {
        store.lease_due(owner, &kinds(), time, 1, &Limits::new()).await.unwrap().pop().map(|leased| leased.lease)
    };
    let rest = async |lease: &Lease| {
        let due = Next::Due { after: Duration::ZERO, attempts: Attempts::default() };
        write(&store, lease, &Value::Null, due).await.unwrap();
    };
    rest(&lease("a/1", MINUTE).await.unwrap()).await;
    assert_eq!(lease("b/1", MINUTE).await, None);
    let wait = store.next_due("b/1", &kinds(), MINUTE).await.unwrap().unwrap();
    assert!(wait > MINUTE / 4 && wait <= MINUTE / 2, "{wait:?}");
    assert_eq!(store.next_due("a/2", &kinds(), MINUTE).await.unwrap(), Some(Duration::ZERO));
    rest(&lease("a/2", MINUTE).await.unwrap()).await;
    a_moment().await;
    assert!(lease("b/1", Duration::from_millis(20)).await.is_some(), "half a lease late");
}

#[tokio::test]
async fn the_writes_of_one_who_lost_the_lease_are_refused() {
    let (_folder, store) = store().await;
    let task = store.insert_task(&NewTask::new("local", "sync")).await.unwrap();
    let paused = store.lease_due("a", &kinds(), Duration::ZERO, 1, &Limits::new()).await.unwrap().remove(0);
    a_moment().await;
    let taken = store.lease_due("b", &kinds(), MINUTE, 1, &Limits::new()).await.unwrap().remove(0);
    for next in [Next::GoesOn, Next::Succeeded { outcome: Value::Null }] {
        let late = write(&store, &paused.lease, &json!("stale"), next).await;
        assert!(matches!(late, Err(StoreError::LeaseLost(_))));
    }
    let due = Next::Due { after: Duration::ZERO, attempts: Attempts::default() };
    write(&store, &taken.lease, &json!("fresh"), due).await.unwrap();
    let late = write(&store, &taken.lease, &json!("given back"), Next::GoesOn).await;
    assert!(matches!(late, Err(StoreError::LeaseLost(_))));
    assert_eq!(store.task(&task.id).await.unwrap().unwrap().state, json!("fresh"));
}

#[tokio::test]
async fn an_ended_task_is_never_due_and_never_changes() {
    let (_folder, store) = store().await;
    let task = store.insert_task(&NewTask::new("local", "sync")).await.unwrap();
    let leased = store.lease_due("a", &kinds(), MINUTE, 1, &Limits::new()).await.unwrap().remove(0);
    let failed = Next::Failed { error: Error::invalid("sql", "no") };
    write(&store, &leased.lease, &Value::Null, failed).await.unwrap();
    assert_eq!(store.next_due("a", &kinds(), MINUTE).await.unwrap(), None);
    let task = store.request_cancel(&task.id).await.unwrap();
    assert_eq!((task.status, task.error), (TaskStatus::Failed, Some(Error::invalid("sql", "no"))));
    assert!(task.finished_at.is_some());
}

#[tokio::test]
async fn the_leases_of_an_ended_host_are_free_at_once() {
    let (folder, ended) = store().await;
    ended.insert_task(&NewTask::new("local", "sync")).await.unwrap();
    ended.insert_task(&NewTask::new("local", "sync")).await.unwrap();
    let before = ended.lease_due(ended.owner(), &kinds(), MINUTE, 1, &Limits::new()).await.unwrap().remove(0);
    ended.lease_due("another host/its life", &kinds(), MINUTE, 1, &Limits::new()).await.unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    assert_eq!(store.reclaim_leases().await.unwrap(), 1, "its own alone");
    let after = store.lease_due(store.owner(), &kinds(), MINUTE, 9, &Limits::new()).await.unwrap().remove(0);
    assert!(before.lease.is_first() && !after.lease.is_first());
    assert!(write(&store, &before.lease, &Value::Null, Next::GoesOn).await.is_err());
    assert_eq!(store.reclaim_leases().await.unwrap(), 0, "what it works on itself stays");
    store.end_life().await.unwrap();
    assert_eq!(store.next_due("b", &kinds(), MINUTE).await.unwrap(), Some(Duration::ZERO));
}

#[tokio::test]
async fn a_cancel_ends_a_waiting_task_and_makes_a_started_one_due() {
    let (_folder, store) = store().await;
    let waiting = store.insert_task(&NewTask::new("local", "sync").subject("a")).await.unwrap();
    assert_eq!(store.request_cancel(&waiting.id).await.unwrap().status, TaskStatus::Cancelled);

    let started = store.insert_task(&NewTask::new("local", "sync").subject("b")).await.unwrap();
    let leased = store.lease_due("a", &kinds(), MINUTE, 1, &Limits::new()).await.unwrap().remove(0);
    assert_eq!(store.request_cancel(&started.id).await.unwrap().status, TaskStatus::Running);
    // The step that was under way wanted an hour's rest.
    let rest = Next::Due { after: Duration::from_secs(3600), attempts: Attempts::default() };
    write(&store, &leased.lease, &Value::Null, rest).await.unwrap();
    let again = store.lease_due("a", &kinds(), MINUTE, 1, &Limits::new()).await.unwrap();
    assert!(again[0].task.cancel_requested);
    assert!(matches!(store.request_cancel("none").await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn a_subject_has_one_unfinished_task_when_that_is_asked_for() {
    let (_folder, store) = store().await;
    let new = NewTask::new("local", "sync").subject("a");
    let first = store.insert_task_unless_unfinished(&new).await.unwrap();
    assert_eq!(store.insert_task_unless_unfinished(&new).await.unwrap().id, first.id);
    store.request_cancel(&first.id).await.unwrap();
    assert_ne!(store.insert_task_unless_unfinished(&new).await.unwrap().id, first.id);
}
