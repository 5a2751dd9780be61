//! Several hosts on one database share the work. On SQLite there is one host, and nothing to see here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::host::{Counting, KIND, Long, TestHost, quick};
use asgard_store::testing;
use asgard_tasks::{Handler, NewTask, TaskFilter, TaskStatus, TasksConfig};
use serde_json::json;
use tempfile::TempDir;

/// The folders of two hosts; the first one's names the database.
struct Hosts([TempDir; 2]);

impl Hosts {
    /// None on SQLite.
    fn new() -> Option<Self> {
        testing::on_postgres().then(|| Self([tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]))
    }

    async fn first(&self, handler: Arc<dyn Handler>, config: TasksConfig) -> TestHost {
        TestHost::with(self.0[0].path(), handler, config).await
    }

    async fn second(&self, handler: Arc<dyn Handler>, config: TasksConfig) -> TestHost {
        let store = testing::open_other_host(self.0[0].path(), self.0[1].path()).await.unwrap().unwrap();
        TestHost::on(store, handler, config)
    }
}

#[tokio::test]
async fn what_a_killed_host_had_is_taken_over_when_its_lease_is_over() {
    let Some(hosts) = Hosts::new() else { return };
    let first = hosts.first(Long::deaf(), quick()).await;
    let task = first.submit().await;
    first.state_of(&task, json!("saved")).await;
    let second = hosts.second(Long::deaf(), quick()).await;
    first.kill().await;
    let begun = Instant::now();
    assert_eq!(second.end_of(&task).await.state, json!("went on from saved"));
    assert!(begun.elapsed() < quick().lease + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_shutdown_hands_work_to_another_host_at_once() {
    let Some(hosts) = Hosts::new() else { return };
    let config = TasksConfig { lease: Duration::from_secs(600), ..quick() };
    let first = hosts.first(Long::listening(), config.clone()).await;
    let task = first.submit().await;
    first.state_of(&task, json!("saved")).await;
    let second = hosts.second(Long::listening(), config).await;
    first.stop().await;
    let begun = Instant::now();
    assert_eq!(second.end_of(&task).await.state, json!("went on from interrupted"));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_host_that_starts_leaves_what_others_work_on() {
    let Some(hosts) = Hosts::new() else { return };
    let (patient, eager) = (Long::listening(), Counting::to(1));
    let first = hosts.first(patient, quick()).await;
    let task = first.submit().await;
    first.state_of(&task, json!("saved")).await;
    let second = hosts.second(eager.clone(), quick()).await;
    tokio::time::sleep(quick().lease * 2).await;
    assert_eq!(eager.taken(), 0);
    assert_eq!(second.tasks.cancel(&task.id).await.unwrap().status, TaskStatus::Cancelled);
}

#[tokio::test]
async fn every_step_is_taken_by_one_host() {
    let Some(hosts) = Hosts::new() else { return };
    let handlers = [Counting::to(5), Counting::to(5)];
    let first = hosts.first(handlers[0].clone(), quick()).await;
    let second = hosts.second(handlers[1].clone(), quick()).await;
    let mut tasks = Vec::new();
    for index in 0..40 {
        tasks.push([&first, &second][index % 2].submit().await);
    }
    for task in &tasks {
        let task = first.end_of(task).await;
        assert_eq!((task.status, task.state), (TaskStatus::Succeeded, json!(5)));
    }
    assert_eq!(handlers[0].taken() + handlers[1].taken(), 200);
    assert!(handlers.iter().all(|handler| handler.taken() > 0), "both hosts work");
}

#[tokio::test]
async fn a_schedule_fires_once_for_all_hosts() {
    let Some(hosts) = Hosts::new() else { return };
    let first = hosts.first(Counting::to(1), quick()).await;
    let second = hosts.second(Counting::to(1), quick()).await;
    let scheduled = NewTask::new("local", KIND).subject("i1");
    first.tasks.schedules().put("local", "i1", "* * * * * ?", scheduled).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3500)).await;
    let filter = TaskFilter::default().subject("i1");
    let (tasks, fired) = second.tasks.list(&filter, 10, 0).await.unwrap();
    assert!((3..=4).contains(&fired), "{fired} in three and a half seconds: {tasks:?}");
}
