//! Resources: unique names, revisions that notice each other, pages.

use asgard_contract::Error;
use asgard_store::{ResourceKind, Store, StoreError, testing};
use serde_json::{Value, json};

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn the_second_of_two_changes_to_one_revision_is_refused() {
    let (_folder, store) = store().await;
    store.put_new("local", ResourceKind::Sink, "1", "lake", &json!({"n": 0})).await.unwrap();
    let read = store.get::<Value>("local", ResourceKind::Sink, "1").await.unwrap().unwrap();
    store.update("local", ResourceKind::Sink, "1", "lake", read.revision, &json!({"n": 1})).await.unwrap();
    let late = store.update("local", ResourceKind::Sink, "1", "lake", read.revision, &json!({"n": 2})).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))));
    let read = store.get::<Value>("local", ResourceKind::Sink, "1").await.unwrap().unwrap();
    assert_eq!((read.revision, read.body), (2, json!({"n": 1})));
}

#[tokio::test]
async fn a_change_of_something_deleted_is_not_found() {
    let (_folder, store) = store().await;
    store.put_new("local", ResourceKind::Sink, "1", "lake", &json!({})).await.unwrap();
    store.delete("local", ResourceKind::Sink, "1").await.unwrap();
    let late = store.update("local", ResourceKind::Sink, "1", "lake", 1, &json!({})).await;
    assert!(matches!(late, Err(StoreError::NotFound(_))));
    store.delete("local", ResourceKind::Sink, "1").await.unwrap();
}

#[tokio::test]
async fn a_name_belongs_to_one_resource_of_its_kind_and_environment() {
    let (_folder, store) = store().await;
    store.put_new("local", ResourceKind::Source, "1", "erp", &json!({})).await.unwrap();
    store.put_new("local", ResourceKind::Source, "2", "crm", &json!({})).await.unwrap();
    let again = store.put_new("local", ResourceKind::Source, "3", "erp", &json!({})).await.unwrap_err();
    assert_eq!(Error::from(again), Error::conflict("there is a source called `erp` already"));
    let renamed = store.update("local", ResourceKind::Source, "2", "erp", 1, &json!({})).await;
    assert!(matches!(renamed, Err(StoreError::Conflict(_))));
    store.put_new("local", ResourceKind::Sink, "1", "erp", &json!({})).await.unwrap();
    store.put_new("production", ResourceKind::Source, "1", "erp", &json!({})).await.unwrap();
}

#[tokio::test]
async fn lists_come_in_pages_with_the_newest_first() {
    let (_folder, store) = store().await;
    for n in 0..5 {
        store.put_new("local", ResourceKind::Source, &n.to_string(), &format!("s{n}"), &json!({})).await.unwrap();
        // Creation times have milliseconds.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let (page, total) = store.list::<Value>("local", ResourceKind::Source, 2, 1).await.unwrap();
    assert_eq!((total, page.iter().map(|s| s.name.as_str()).collect::<Vec<_>>()), (5, vec!["s3", "s2"]));
    let (all, _) = store.list::<Value>("local", ResourceKind::Source, u32::MAX, 0).await.unwrap();
    assert_eq!(all.len(), 5);
}

#[tokio::test]
async fn an_environment_goes_when_it_is_empty_and_leaves_the_others_as_they_are() {
    let (_folder, store) = store().await;
    let document = |name: &str| serde_json::from_value(json!({"name": name})).unwrap();
    for name in ["live", "live2"] {
        store.put_environment(&document(name), 0, "test", "").await.unwrap();
        store.set_secret(name, "s", "value").await.unwrap();
        store.key_values_set(&format!("{name}/plugin"), "b", vec![("k".to_owned(), vec![1])]).await.unwrap();
    }
    store.put_new("live", ResourceKind::Sink, "1", "lake", &json!({})).await.unwrap();
    store.put_new("live", ResourceKind::FeatureView, "1", "view", &json!({})).await.unwrap();
    let refused = store.delete_environment("live").await.unwrap_err().to_string();
    assert!(refused.contains("feature view (1), sink (1)"), "{refused}");
    store.delete("live", ResourceKind::Sink, "1").await.unwrap();
    store.delete("live", ResourceKind::FeatureView, "1").await.unwrap();
    let task = store.insert_task(&asgard_store::tasks::NewTask::new("live", "k")).await.unwrap();
    assert!(matches!(store.check_environment_deletable("live").await, Err(StoreError::Conflict(_))));
    store.request_cancel(&task.id).await.unwrap();
    store.check_environment_deletable("live").await.unwrap();
    assert_eq!(store.environments().await.unwrap(), ["live", "live2"], "looking removes nothing");
    store.delete_environment("live").await.unwrap();
    assert!(matches!(store.delete_environment("live").await, Err(StoreError::NotFound(_))));
    assert_eq!(store.environments().await.unwrap(), ["live2"]);
    assert!(store.environment_revisions("live").await.unwrap().is_empty());
    let keys = ["k".to_owned()];
    for (name, secrets, value) in [("live", 0, None), ("live2", 1, Some(vec![1]))] {
        assert_eq!(store.secrets(name).await.unwrap().len(), secrets, "{name}");
        let found = store.key_values_get(&format!("{name}/plugin"), "b", &keys).await.unwrap();
        assert_eq!(found, [value], "{name}");
    }
}
