//! Many writers, in this process and beside it: nobody is turned away, nobody undoes another's work.

use asgard_store::tasks::{NewTask, TaskFilter};
use asgard_store::{CatchUp, Claim, Fired, Overlap, ResourceKind, Schedule, StoredAnswer, testing};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_two_processes_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    // A second store on the same file has connections of its own, as another process has.
    let stores = [testing::open(folder.path()).await.unwrap(), testing::open(folder.path()).await.unwrap()];
    let mut writers = JoinSet::new();
    for n in 0..40 {
        let store = stores[n % 2].clone();
        writers.spawn(async move {
            for m in 0..5 {
                let id = format!("{n}-{m}");
                store.put_new("local", ResourceKind::Source, &id, &id, &json!({})).await.unwrap();
                store.key_values_set("s", "b", vec![(id, vec![0; 100])]).await.unwrap();
                store.insert_task(&NewTask::new("local", "k")).await.unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    assert_eq!(stores[1].list::<Value>("local", ResourceKind::Source, 1, 0).await.unwrap().1, 200);
    assert_eq!(stores[0].tasks(&TaskFilter::default(), 1, 0).await.unwrap().1, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_that_is_given_up_at_any_moment_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    for step in 0..300 {
        let write = store.key_values_set("s", "b", vec![(step.to_string(), vec![0; 100])]);
        // As a client that hangs up: the future is dropped wherever it is.
        let _ = tokio::time::timeout(std::time::Duration::from_micros(step * 5), write).await;
    }
    store.key_values_set("s", "b", vec![("last".to_owned(), vec![1])]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_first_start_of_two_processes_makes_one_database_and_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut opening = JoinSet::new();
    for _ in 0..4 {
        let folder = folder.path().to_owned();
        opening.spawn(async move { testing::open(&folder).await.unwrap() });
    }
    let stores = opening.join_all().await;
    stores[0].set_secret("local", "a", "b").await.unwrap();
    for store in &stores {
        assert_eq!(store.secret("local", "a").await.unwrap(), "b");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_a_bucket_before_or_after_its_replacement() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    let entries = |value: u8| (0..1500).map(|n| (format!("k{n}"), vec![value])).collect::<Vec<_>>();
    store.key_values_replace("s", "b", entries(0)).await.unwrap();
    let keys: Vec<String> = (0..1500).map(|n| format!("k{n}")).collect();
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for value in 1..6 {
                store.key_values_replace("s", "b", entries(value)).await.unwrap();
            }
        })
    };
    loop {
        let values = store.key_values_get("s", "b", &keys).await.unwrap();
        assert!(values.iter().all(|value| value.is_some() && *value == values[0]), "a mixture of two buckets");
        if writer.is_finished() {
            break;
        }
    }
    writer.await.unwrap();
    assert_eq!(store.key_values_get("s", "b", &keys[..1]).await.unwrap(), [Some(vec![5])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_claims_to_one_key_one_is_granted() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    let mut claims = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        claims.spawn(async move { store.claim_key("local", "k", "POST /sink a").await.unwrap() });
    }
    let claims = claims.join_all().await;
    assert_eq!(claims.iter().filter(|claim| **claim == Claim::Granted).count(), 1);
    assert_eq!(claims.iter().filter(|claim| **claim == Claim::UnderWay).count(), 19);
    assert_eq!(store.claim_key("local", "k", "POST /sink b").await.unwrap(), Claim::OtherRequest);
    store.release_key("local", "k").await.unwrap();
    assert_eq!(store.claim_key("local", "k", "POST /sink b").await.unwrap(), Claim::Granted);
    let abandoned = StoredAnswer { status: 503, content_type: None, body: b"the host ended".to_vec() };
    assert_eq!(store.answer_abandoned_keys(&abandoned).await.unwrap(), 0, "it is being worked on");
    let store = testing::open(folder.path()).await.unwrap();
    assert_eq!(store.answer_abandoned_keys(&abandoned).await.unwrap(), 1);
    assert_eq!(store.claim_key("local", "k", "POST /sink b").await.unwrap(), Claim::Answered(abandoned));
    assert_eq!(store.forget_answers(Utc::now() + TimeDelta::seconds(1)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_due_schedule_fires_once_whoever_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    let due = Schedule {
        environment: "local".into(),
        id: "i1".into(),
        cron: "* * * * *".into(),
        time_zone: "UTC".into(),
        catch_up: CatchUp::Latest,
        overlap: Overlap::Skip,
        last_at: None,
        task: NewTask::new("local", "sync").subject("i1"),
        next_at: Some(Utc::now() - TimeDelta::seconds(60)),
    };
    store.put_schedule(&due).await.unwrap();
    let seen = store.due_schedules(Utc::now()).await.unwrap();
    assert_eq!(seen.len(), 1);
    let next = Some(Utc::now() + TimeDelta::seconds(60));
    assert!(matches!(store.fire_schedule(&seen[0], 1, next).await.unwrap(), Fired::Submitted(_)));
    assert_eq!(store.fire_schedule(&seen[0], 1, next).await.unwrap(), Fired::Outdated);
    assert!(store.due_schedules(Utc::now()).await.unwrap().is_empty());

    let early = store.schedule("local", "i1").await.unwrap().unwrap();
    assert!(matches!(store.fire_schedule(&early, 1, None).await.unwrap(), Fired::StillRunning(_)));
    assert_eq!(store.next_schedule().await.unwrap(), None);
}

#[tokio::test]
async fn one_process_is_the_host_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    let lock = store.try_host_lock().unwrap();
    assert!(lock.is_some());
    assert!(testing::open(folder.path()).await.unwrap().try_host_lock().unwrap().is_none());
    drop(lock);
    assert!(store.try_host_lock().unwrap().is_some());
}
