//! Several hosts on one database: whose work is whose, and what becomes of it when one of them is over.

use std::time::Duration;

use asgard_store::{Claim, Store, StoredAnswer, testing};

/// Two hosts; none on SQLite, where a database has one.
async fn hosts(folders: &[tempfile::TempDir; 2]) -> Option<[Store; 2]> {
    let first = testing::open(folders[0].path()).await.unwrap();
    let second = testing::open_other_host(folders[0].path(), folders[1].path()).await.unwrap()?;
    Some([first, second])
}

fn folders() -> [tempfile::TempDir; 2] {
    [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]
}

fn abandoned() -> StoredAnswer {
    StoredAnswer { status: 409, content_type: None, body: b"the host ended".to_vec() }
}

#[tokio::test]
async fn a_host_keeps_its_name_and_each_of_its_lives_has_another() {
    let folder = tempfile::tempdir().unwrap();
    let lives = [testing::open(folder.path()).await.unwrap(), testing::open(folder.path()).await.unwrap()];
    let [first, second] = lives.each_ref().map(|store| store.owner().split_once('/').unwrap());
    assert_eq!(first.0, second.0);
    assert_ne!(first.1, second.1);
    std::fs::write(folder.path().join("host.id"), "cut sh").unwrap();
    let renamed = testing::open(folder.path()).await.unwrap();
    assert!(uuid::Uuid::parse_str(renamed.owner().split('/').next().unwrap()).is_ok());
}

#[tokio::test]
async fn a_request_of_a_host_that_is_alive_is_left_alone() {
    let folders = folders();
    let Some([first, second]) = hosts(&folders).await else { return };
    first.beat(Duration::from_secs(60)).await.unwrap();
    assert_eq!(first.claim_key("local", "k", "POST /sink").await.unwrap(), Claim::Granted);
    assert_eq!(second.claim_key("local", "k", "POST /sink").await.unwrap(), Claim::UnderWay);
    assert_eq!(second.answer_abandoned_keys(&abandoned()).await.unwrap(), 0);
    let kept = StoredAnswer { status: 201, content_type: None, body: b"{}".to_vec() };
    first.keep_answer("local", "k", &kept).await.unwrap();
    assert_eq!(second.claim_key("local", "k", "POST /sink").await.unwrap(), Claim::Answered(kept));
}

#[tokio::test]
async fn a_request_of_a_host_that_is_silent_is_answered_by_another_once() {
    let folders = folders();
    let Some([first, second]) = hosts(&folders).await else { return };
    first.beat(Duration::ZERO).await.unwrap();
    assert_eq!(first.claim_key("local", "k", "POST /sink").await.unwrap(), Claim::Granted);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(second.answer_abandoned_keys(&abandoned()).await.unwrap(), 1);
    // The first was paused, and goes on.
    let late = StoredAnswer { status: 201, content_type: None, body: b"{}".to_vec() };
    first.keep_answer("local", "k", &late).await.unwrap();
    first.release_key("local", "k").await.unwrap();
    assert_eq!(second.claim_key("local", "k", "POST /sink").await.unwrap(), Claim::Answered(abandoned()));
}
