//! Tasks that submit themselves.

use std::sync::Arc;
use std::time::Duration;

use crate::host::{Counting, KIND, Long, TestHost};
use asgard_contract::Error;
use asgard_store::{CatchUp, Overlap, Schedule};
use asgard_tasks::schedule::Timetable;
use asgard_tasks::{NewTask, TaskFilter, TaskStatus};
use chrono::{TimeDelta, Utc};
use serde_json::json;

const EVERY_SECOND: &str = "* * * * * ?";

fn scheduled() -> NewTask {
    NewTask::new("local", KIND).subject("i1")
}

async fn count(host: &TestHost) -> u64 {
    host.tasks.list(&TaskFilter::default().subject("i1"), 10, 0).await.unwrap().1
}

#[tokio::test]
async fn a_schedule_submits_its_task_until_it_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(folder.path(), Counting::to(1)).await;
    host.tasks.schedules().put("local", "i1", EVERY_SECOND, scheduled()).await.unwrap();
    let next = host.tasks.schedules().next_fire("local", "i1").await.unwrap().unwrap();
    assert!(next > Utc::now() - TimeDelta::seconds(1) && next < Utc::now() + TimeDelta::seconds(2));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let fired = count(&host).await;
    assert!((2..=3).contains(&fired), "{fired} in two and a half seconds");

    host.tasks.schedules().delete("local", "i1").await.unwrap();
    let fired = count(&host).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(count(&host).await, fired);
    assert_eq!(host.tasks.schedules().next_fire("local", "i1").await.unwrap(), None);
}

#[tokio::test]
async fn a_schedule_skips_while_the_task_of_its_subject_runs() {
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(folder.path(), Long::listening()).await;
    host.tasks.schedules().put("local", "i1", EVERY_SECOND, scheduled()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3200)).await;
    assert_eq!(count(&host).await, 1);
}

#[tokio::test]
async fn fires_that_no_host_saw_come_as_one_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = asgard_store::testing::open(folder.path()).await.unwrap();
    let missed = Schedule {
        environment: "local".into(),
        id: "i1".into(),
        cron: "0 0 * * *".into(),
        time_zone: "UTC".into(),
        catch_up: CatchUp::Latest,
        overlap: Overlap::Skip,
        last_at: None,
        task: scheduled(),
        next_at: Some(Utc::now() - TimeDelta::days(3)),
    };
    store.put_schedule(&missed).await.unwrap();
    let host = TestHost::start(folder.path(), Counting::to(1)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(count(&host).await, 1);
    assert!(host.tasks.schedules().next_fire("local", "i1").await.unwrap().unwrap() > Utc::now());
}

#[tokio::test]
async fn each_missed_fire_that_is_caught_up_with_knows_its_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = asgard_store::testing::open(folder.path()).await.unwrap();
    let midnight = Utc::now().date_naive().and_hms_opt(0, 0, 0).unwrap().and_utc();
    let missed = |days| midnight - TimeDelta::days(days);
    let schedule = Schedule {
        environment: "local".into(),
        id: "i1".into(),
        cron: "0 0 * * *".into(),
        time_zone: "UTC".into(),
        catch_up: CatchUp::All,
        overlap: Overlap::Queue,
        last_at: None,
        task: scheduled().request(json!({"asked": "for"})),
        next_at: Some(missed(2)),
    };
    store.put_schedule(&schedule).await.unwrap();
    let host = TestHost::start(folder.path(), Counting::to(1)).await;
    let mut tasks = Vec::new();
    for _ in 0..600 {
        (tasks, _) = host.tasks.list(&TaskFilter::default().subject("i1"), 10, 0).await.unwrap();
        if !tasks.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tasks.reverse();
    let requests: Vec<_> = tasks.into_iter().map(|task| task.request).collect();
    let expected = [2, 1, 0].map(|days| json!({"asked": "for", "fired_at": missed(days).to_rfc3339()}));
    assert_eq!(requests, expected);
}

#[tokio::test]
async fn what_is_no_schedule_is_refused_and_nothing_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let host =
        TestHost::start(folder.path(), Arc::new(Counting { to: 1, pause: Duration::ZERO, steps: 0.into() })).await;
    for cron in ["now and then", "0 0 0 30 2 ?"] {
        let error: Error = host.tasks.schedules().put("local", "i1", cron, scheduled()).await.unwrap_err().into();
        assert!(matches!(&error, Error::InvalidInput { message, .. } if message.contains(cron)), "{error}");
    }
    let unknown = NewTask::new("local", "unknown").request(json!(1));
    assert!(host.tasks.schedules().put("local", "i1", EVERY_SECOND, unknown).await.is_err());
    assert_eq!(host.tasks.schedules().next_fire("local", "i1").await.unwrap(), None);
}

#[tokio::test]
async fn two_requests_for_one_subject_get_the_task_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(folder.path(), Long::listening()).await;
    let (one, other) =
        tokio::join!(host.tasks.submit_unless_running(scheduled()), host.tasks.submit_unless_running(scheduled()));
    assert_eq!(one.unwrap().id, other.unwrap().id);
}

fn timetable(overlap: Overlap) -> Timetable {
    Timetable { overlap, ..EVERY_SECOND.into() }
}

#[tokio::test]
async fn queued_fires_begin_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(folder.path(), Long::listening()).await;
    host.tasks.schedules().put("local", "i1", timetable(Overlap::Queue), scheduled()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    host.tasks.schedules().delete("local", "i1").await.unwrap();
    let (tasks, fired) = host.tasks.list(&TaskFilter::default().subject("i1"), 10, 0).await.unwrap();
    assert!((2..=3).contains(&fired), "{fired}");
    let begun = |tasks: &[asgard_tasks::Task]| tasks.iter().filter(|task| task.started_at.is_some()).count();
    assert_eq!(begun(&tasks), 1, "{tasks:?}");
    host.tasks.cancel(&tasks.last().unwrap().id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (tasks, _) = host.tasks.list(&TaskFilter::default().subject("i1"), 10, 0).await.unwrap();
    assert_eq!(begun(&tasks), 2, "the next one begins");
}

#[tokio::test]
async fn fires_may_begin_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(folder.path(), Long::listening()).await;
    host.tasks.schedules().put("local", "i1", timetable(Overlap::Allow), scheduled()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let running = TaskFilter::default().subject("i1").status(TaskStatus::Running);
    assert!(host.tasks.list(&running, 10, 0).await.unwrap().1 >= 2);
}

#[tokio::test]
async fn a_schedule_and_a_task_that_were_planned_by_a_clock_ahead_do_not_wait_for_that_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = asgard_store::testing::open(folder.path()).await.unwrap();
    let now = store.now().await.unwrap();
    let tomorrow = now + TimeDelta::days(1);
    let schedule = Schedule {
        environment: "local".into(),
        id: "i1".into(),
        cron: EVERY_SECOND.into(),
        time_zone: "UTC".into(),
        catch_up: CatchUp::Latest,
        overlap: Overlap::Skip,
        task: scheduled(),
        last_at: Some(now),
        next_at: Some(tomorrow),
    };
    store.put_schedule(&schedule).await.unwrap();
    let task = store.insert_task(&NewTask::new("local", KIND).subject("late")).await.unwrap();
    let ahead = format!("UPDATE tasks SET updated_at = {0}, due_at = {0} + 200", tomorrow.timestamp_millis());
    asgard_store::testing::execute(folder.path(), &ahead).await.unwrap();

    let host = TestHost::start(folder.path(), Counting::to(1)).await;
    assert_eq!(host.end_of(&task).await.status, TaskStatus::Succeeded);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!((1..=3).contains(&count(&host).await), "fires again by the clock that is right");
}
