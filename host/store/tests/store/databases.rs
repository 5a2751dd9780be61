//! Opening a database: what cannot be opened says why and what to do, and never a password.

use std::time::{Duration, Instant};

use asgard_store::tasks::{NewTask, TaskFilter};
use asgard_store::{Store, StoreConfig, StoreError};

async fn refusal(database_url: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig { database_url: Some(database_url.to_owned()), ..StoreConfig::default() };
    let begun = Instant::now();
    let error = Store::open_with(folder.path(), config).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5), "the reason is told at once");
    assert!(matches!(error, StoreError::Folder(_)), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named_without_its_password() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let told = refusal(&format!("postgres://ada:hunter2@127.0.0.1:{port}/asgard")).await;
    assert!(told.contains(&format!("PostgreSQL at 127.0.0.1:{port}/asgard cannot be opened")), "{told}");
    assert!(told.contains("--database-url") && !told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn what_is_no_url_of_a_known_database_is_refused_with_an_example() {
    for url in ["mysql://root@localhost/asgard", "localhost:5432", "not a url"] {
        let told = refusal(url).await;
        assert!(told.contains("postgres://USER:PASSWORD@HOST:PORT/DATABASE"), "{told}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("asgard.db"), "something else".repeat(1000)).unwrap();
    let told = Store::open(folder.path()).await.unwrap_err().to_string();
    assert!(told.contains("asgard.db cannot be opened") && told.contains("not a database"), "{told}");
}

#[tokio::test]
async fn a_folder_with_odd_characters_in_its_name_is_a_folder_like_others() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("50% a?b#c ü");
    Store::open(&folder).await.unwrap().insert_task(&NewTask::new("local", "k")).await.unwrap();
    assert!(folder.join("asgard.db").is_file());
    assert_eq!(Store::open(&folder).await.unwrap().tasks(&TaskFilter::default(), 9, 0).await.unwrap().1, 1);
}
