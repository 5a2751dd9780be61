//! A store that speaks S3.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

use asgard_capabilities::http::{Credential, Request};
use asgard_contract::Error;
use asgard_contract::connector::SyncMode::{FullRefreshOverwrite, IncrementalAppend};
use asgard_journey::s3::S3;
use serde_json::{Value, json};

use crate::host::Host;
use crate::lake::Lake;

/// A running store and its folder.
struct Store {
    s3: S3,
    _folder: tempfile::TempDir,
}

/// One store for all tests that run at the same time, which have prefixes of their own. It ends with the last of them.
fn store() -> Arc<Store> {
    static SHARED: Mutex<Weak<Store>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let python = std::env::var_os("ASGARD_TEST_PYTHON").map(PathBuf::from);
        let python =
            python.unwrap_or_else(|| panic!("ASGARD_TEST_PYTHON is not set: run the tests with `cargo xtask test`"));
        let folder = tempfile::tempdir().unwrap();
        let s3 = S3::start(&python.with_file_name("weed"), folder.path()).unwrap();
        let store = Arc::new(Store { s3, _folder: folder });
        *shared = Arc::downgrade(&store);
        store
    })
}

async fn put(store: &Store, host: &Host, key: &str, body: impl Into<Vec<u8>>) {
    let request = Request {
        method: "PUT".to_owned(),
        url: format!("{}/{}/{key}", store.s3.endpoint(), S3::BUCKET),
        headers: Vec::new(),
        body: Some(body.into()),
        timeout_ms: 30_000,
    };
    let credential = Credential::AwsSigv4 {
        access_key_id: S3::ACCESS_KEY.to_owned(),
        secret_access_key: "secret://s3".to_owned(),
        session_token: None,
        region: "us-east-1".to_owned(),
        service: "s3".to_owned(),
    };
    let answer = host.lent().http.unwrap().send_as(request, credential).await.unwrap();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
}

fn bucket(store: &Store, prefix: &str, files: &str) -> Value {
    json!({"location": {"provider": "s3", "bucket": S3::BUCKET, "prefix": prefix, "endpoint": store.s3.endpoint(),
        "access_key_id": S3::ACCESS_KEY, "secret_access_key": "secret://s3"},
        "streams": [{"name": "a", "files": [files]}]})
}

#[tokio::test]
async fn keys_are_found_by_patterns_and_read() {
    let (store, host) = (store(), Host::new().await);
    put(&store, &host, "found/2024/a%20b.csv", "id,v\n1,x\n").await;
    put(&store, &host, "found/2024/%C3%BC.csv", "id,v\n2,y\n").await;
    put(&store, &host, "found/2024/deep/c.csv", "id,v\n3,z\n").await;
    put(&store, &host, "found/2024/note.txt", "no").await;
    let lake = Lake::filled(&host, &bucket(&store, "found/", "2024/*.csv"), FullRefreshOverwrite).await;
    assert_eq!(lake.column("id"), ["1", "2"]);
    let lake = Lake::filled(&host, &bucket(&store, "found/", "**/*.csv"), FullRefreshOverwrite).await;
    assert_eq!(lake.column("id"), ["1", "3", "2"]);
}

#[tokio::test]
async fn many_keys_are_listed_page_by_page() {
    let (store, host) = (store(), Host::new().await);
    // A page has a thousand.
    for number in 0..1_005 {
        put(&store, &host, &format!("many/{number:04}.csv"), format!("id\n{number}\n")).await;
    }
    let lake = Lake::filled(&host, &bucket(&store, "many/", "*.csv"), FullRefreshOverwrite).await;
    assert_eq!(lake.rows.len(), 1_005);
}

#[tokio::test]
async fn a_large_object_is_read_in_parts_and_new_ones_only_once() {
    let (store, host) = (store(), Host::new().await);
    let line = format!("1,{}\n", "x".repeat(998));
    put(&store, &host, "large/1.csv", format!("id,text\n{}", line.repeat(10_000))).await;
    let configuration = bucket(&store, "large/", "*.csv");
    let mut lake = Lake::filled(&host, &configuration, IncrementalAppend).await;
    assert_eq!(lake.rows.len(), 10_000);
    put(&store, &host, "large/2.csv", "id,text\n2,y\n").await;
    lake.sync(&host).await.unwrap();
    lake.sync(&host).await.unwrap();
    assert_eq!(lake.rows.len(), 10_001);
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_is_noticed() {
    let (store, host) = (store(), Host::new().await);
    let line = format!("1,{}\n", "x".repeat(998));
    let text = format!("id,text\n{}", line.repeat(20_000));
    put(&store, &host, "replaced/1.csv", text.clone()).await;
    let mut lake = Lake::new(&host, &bucket(&store, "replaced/", "*.csv"), FullRefreshOverwrite).await;
    let mut sync = lake.open(&host, "task").await;
    lake.take(sync.next().await.unwrap(), "task");
    lake.take(sync.next().await.unwrap(), "task");
    // Of the same length.
    put(&store, &host, "replaced/1.csv", text.replace('x', "y")).await;
    let error = loop {
        match sync.next().await {
            Ok(event) => assert!(lake.take(event, "task"), "it ended as if nothing had happened"),
            Err(error) => break error,
        }
    };
    assert!(error.is_retryable() && error.to_string().contains("changed while"), "{error:?}");
    assert!(lake.rows.is_empty());
}

#[tokio::test]
async fn what_the_store_refuses_names_what_to_change() {
    let (store, host) = (store(), Host::new().await);
    put(&store, &host, "refused/1.csv", "id\n1\n").await;
    let mut wrong = bucket(&store, "refused/", "*.csv");
    wrong["location"]["secret_access_key"] = json!("secret://other");
    let error = host.check(&wrong).await.unwrap_err();
    assert!(
        matches!(error, Error::Unauthenticated { .. }) && error.to_string().contains("secret_access_key"),
        "{error:?}"
    );

    let mut wrong = bucket(&store, "refused/", "*.csv");
    wrong["location"]["bucket"] = json!("nosuchbucket");
    let error = host.check(&wrong).await.unwrap_err();
    assert!(
        matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == "config.location.bucket"),
        "{error:?}"
    );

    let mut wrong = bucket(&store, "refused/", "*.csv");
    wrong["location"]["endpoint"] = json!("http://10.1.2.3:9000");
    let error = host.check(&wrong).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }) && error.to_string().contains("grants.http"), "{error:?}");
}
