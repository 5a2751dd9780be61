//! Logs of tasks: as much as is kept, and what is said about the rest.

use std::time::Duration;

use asgard_contract::log::{LONGEST_LINE, Level};
use asgard_store::tasks::{Lease, Limits, NewLogLine, NewTask, Next, StepWrite};
use asgard_store::{Store, testing};
use chrono::Utc;

async fn leased(store: &Store) -> Lease {
    store.insert_task(&NewTask::new("local", "sync")).await.unwrap();
    let minute = Duration::from_secs(60);
    store.lease_due("a", &["sync".to_owned()], minute, 1, &Limits::new()).await.unwrap().remove(0).lease
}

async fn say(store: &Store, lease: &Lease, lines: &[String]) {
    let line = |message: &String| NewLogLine { time: Utc::now(), level: Level::Info, message: message.clone() };
    let log: Vec<NewLogLine> = lines.iter().map(line).collect();
    let step = StepWrite {
        state: None,
        progress: None,
        details: None,
        plugin: None,
        log: &log,
        events: &[],
        next: Next::GoesOn,
    };
    store.write_step(lease, step).await.unwrap();
}

#[tokio::test]
async fn a_log_keeps_its_newest_bytes_and_says_where_it_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    let lease = leased(&store).await;
    let long = "x".repeat(LONGEST_LINE);
    // 48 MiB, as a plugin writes it that says as much as it may in each of many steps.
    for _ in 0..6 {
        say(&store, &lease, &vec![long.clone(); 512]).await;
    }
    say(&store, &lease, &["the end".to_owned()]).await;
    let lines = store.task_log(lease.task(), 0, 10_000).await.unwrap();
    let bytes: usize = lines.iter().map(|line| line.message.len()).sum();
    assert!((20 << 20..=32 << 20).contains(&bytes), "{bytes} bytes are kept");
    let first = &lines[0];
    assert_eq!(first.level, Level::Warn);
    assert!(
        first.message.contains("the log was cut here, at line ") && first.message.contains("32 MiB"),
        "{}",
        first.message
    );
    assert!(lines[1..].iter().all(|line| line.level == Level::Info), "it says so once");
    let last = lines.last().unwrap();
    assert_eq!((last.position, last.message.as_str()), (6 * 512 + 1, "the end"));
}

#[tokio::test]
async fn a_log_of_short_lines_is_cut_by_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    let lease = leased(&store).await;
    for _ in 0..11 {
        say(&store, &lease, &vec!["x".to_owned(); 10_000]).await;
    }
    let lines = store.task_log(lease.task(), 0, 200_000).await.unwrap();
    assert_eq!((lines.len(), lines[0].position), (100_000, 10_001));
    assert!(lines[0].message.contains("the log was cut here"), "{}", lines[0].message);
}
