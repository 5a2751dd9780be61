//! Many writers, in this process and beside it: nobody is turned away, nobody undoes another's work.

use asgard_contract::environment::Environment;
use asgard_store::tasks::{NewTask, Task, TaskFilter, TaskStatus};
use asgard_store::{
    CatchUp, Claim, Entry, Fired, Overlap, Resource, ResourceKind, Schedule, Store, StoreError, StoredAnswer, testing,
};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_changes_of_one_revision_one_is_made_whichever_host_asks() {
    let folder = tempfile::tempdir().unwrap();
    let stores = [testing::open(folder.path()).await.unwrap(), testing::open(folder.path()).await.unwrap()];
    for seen in 0..3 {
        let mut changes = JoinSet::new();
        for n in 0..8 {
            let store = stores[n % 2].clone();
            let document: Environment =
                serde_json::from_value(json!({"name": "raced", "description": n.to_string()})).unwrap();
            changes.spawn(async move { store.put_environment(&document, seen, "ada", "").await });
        }
        let (made, refused): (Vec<_>, Vec<_>) = changes.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!((made.len(), refused.len()), (1, 7));
        assert!(refused.iter().all(|refused| matches!(refused, Err(StoreError::Conflict(_)))), "{refused:?}");
        let current = stores[0].environment("raced").await.unwrap().unwrap();
        assert_eq!(current.revision, seen + 1);
        assert_eq!(&current, made[0].as_ref().unwrap());
    }
    assert_eq!(stores[0].environment_revisions("raced").await.unwrap().len(), 3);
    let gone: Environment = serde_json::from_value(json!({"name": "gone"})).unwrap();
    assert!(matches!(stores[0].put_environment(&gone, 1, "ada", "").await, Err(StoreError::Conflict(_))));
    assert_eq!(stores[0].environment("gone").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_requests_for_one_resource_one_has_its_task_and_the_others_leave_none() {
    let folder = tempfile::tempdir().unwrap();
    let stores = [testing::open(folder.path()).await.unwrap(), testing::open(folder.path()).await.unwrap()];
    for revision in [None, Some(1)] {
        let mut requests = JoinSet::new();
        for n in 0..8 {
            let store = stores[n % 2].clone();
            requests.spawn(async move {
                let id = if revision.is_none() { n.to_string() } else { known(&store).await.id };
                let kind = ResourceKind::Transformation;
                let entry = Entry { environment: "local", kind, id: &id, name: "model", revision };
                let body = |task: &Task| json!({"task": task.id});
                store.put_with_task(entry, &NewTask::new("local", "gold").subject(&id), &body).await
            });
        }
        let (begun, refused): (Vec<_>, Vec<_>) = requests.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!((begun.len(), refused.len()), (1, 7));
        assert!(refused.iter().all(|refused| matches!(refused, Err(StoreError::Conflict(_)))), "{refused:?}");
        let task = begun[0].as_ref().unwrap();
        let resource = known(&stores[0]).await;
        assert_eq!((resource.body, Some(resource.id)), (json!({"task": task.id}), task.subject.clone()));
    }
    assert_eq!(stores[0].tasks(&TaskFilter::default(), 1, 0).await.unwrap().1, 2);
}

/// A step of a pipeline's run is begun again by a host that does not know that it has begun; a cancel finds it by its parent.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_tasks_of_one_parent_one_is_stored_however_it_is_asked_for_and_whichever_host_asks() {
    let folder = tempfile::tempdir().unwrap();
    let stores = [testing::open(folder.path()).await.unwrap(), testing::open(folder.path()).await.unwrap()];
    let of = |parent: &str| NewTask::new("local", "gold").subject(parent).parent(Some(parent));
    let mut asking = JoinSet::new();
    for n in 0..12 {
        let (store, new) = (stores[n % 2].clone(), of("run/first"));
        asking.spawn(async move {
            match n % 3 {
                0 => store.insert_task(&new).await.unwrap(),
                1 => store.insert_task_behind(&new).await.unwrap(),
                _ => store.insert_task_unless_unfinished(&new).await.unwrap(),
            }
        });
    }
    let asked = asking.join_all().await;
    assert!(asked.iter().all(|task| task.id == asked[0].id), "{asked:?}");

    // One that has ended is the parent's all the same, and beside a resource too.
    assert_eq!(stores[0].request_cancel(&asked[0].id).await.unwrap().status, TaskStatus::Cancelled);
    let (id, body) = (&asked[0].id, |task: &Task| json!({"task": task.id}));
    for again in [
        stores[1].insert_task(&of("run/first")).await,
        stores[1].insert_task_behind(&of("run/first")).await,
        stores[1].insert_task_unless_unfinished(&of("run/first")).await,
        stores[1].put_with_task(model("known"), &of("run/first"), &body).await,
    ] {
        let again = again.unwrap();
        assert_eq!((&again.id, again.status), (id, TaskStatus::Cancelled));
    }
    assert_eq!(known(&stores[0]).await.body, json!({"task": id}));

    // Others have tasks of their own, which say whose they are.
    let second = stores[1].insert_task(&of("run/second")).await.unwrap();
    let none = stores[0].insert_task(&NewTask::new("local", "gold")).await.unwrap();
    let (all, total) = stores[0].tasks(&TaskFilter::default().environment("local"), 10, 0).await.unwrap();
    let parents: Vec<(&str, Option<&str>)> =
        all.iter().map(|task| (task.id.as_str(), task.parent.as_deref())).collect();
    let expected = [(&none.id, None), (&second.id, Some("run/second")), (id, Some("run/first"))];
    assert_eq!((parents, total), (expected.map(|(id, parent)| (id.as_str(), parent)).to_vec(), 3));
}

fn model(id: &str) -> Entry<'_> {
    Entry { environment: "local", kind: ResourceKind::Transformation, id, name: "model", revision: None }
}

async fn known(store: &Store) -> Resource<Value> {
    store.get_by_name("local", ResourceKind::Transformation, "model").await.unwrap().unwrap()
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
    let moments = [Utc::now()];
    assert!(matches!(store.fire_schedule(&seen[0], &moments, next).await.unwrap(), Fired::Submitted(_)));
    assert_eq!(store.fire_schedule(&seen[0], &moments, next).await.unwrap(), Fired::Outdated);
    assert!(store.due_schedules(Utc::now()).await.unwrap().is_empty());

    let early = store.schedule("local", "i1").await.unwrap().unwrap();
    assert!(matches!(store.fire_schedule(&early, &moments, None).await.unwrap(), Fired::StillRunning(_)));
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
