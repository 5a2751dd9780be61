use std::path::Path;

use asgard_contract::Error;
use asgard_contract::manifest::Role;
use asgard_store::tasks::NewTask;
use chrono::TimeDelta;

use super::*;
use crate::{Pipeline, PipelineConfig, features};

const EMPTY: &str = "name = \"local\"\n";

async fn pipeline(data: &Path) -> Arc<Pipeline> {
    let config = PipelineConfig {
        data: data.to_owned(),
        shared: None,
        store: asgard_store::StoreConfig::default(),
        first_environment: Some(EMPTY.to_owned()),
        bundled_plugins: None,
        keeper: "/no/keeper".into(),
        retention: asgard_tasks::TasksConfig::default().retention,
    };
    Pipeline::open(config).await.unwrap()
}

fn document(text: &str) -> Environment {
    documents::parse(text, documents::Format::Toml).unwrap()
}

#[test]
fn the_built_in_environment_is_a_readable_file() {
    let local = document(LOCAL);
    assert_eq!(local.name, "local");
    assert_eq!(local.bindings(Role::Ingestion).len(), 2);
    assert!(local.build.is_none());
}

#[tokio::test]
async fn what_another_host_changed_is_taken_up() {
    let data = tempfile::tempdir().unwrap();
    let pipeline = pipeline(data.path()).await;
    let environments = pipeline.environments();
    let other = pipeline.store();
    other.put_environment(&document("name = \"local\"\ndescription = \"changed\"\n"), 1, "other", "").await.unwrap();
    other.put_environment(&document("name = \"new\"\n"), 0, "other", "").await.unwrap();
    assert_eq!(environments.get("local").await.unwrap().revision, 1);
    environments.look().await.unwrap();
    let local = environments.get("local").await.unwrap();
    assert_eq!((local.revision, local.document.description.as_deref()), (2, Some("changed")));
    assert_eq!(environments.get("new").await.unwrap().revision, 1);
}

#[tokio::test]
async fn an_environment_that_was_made_anew_elsewhere_is_taken_up_though_its_number_is_the_same() {
    let data = tempfile::tempdir().unwrap();
    let pipeline = pipeline(data.path()).await;
    let (environments, other) = (pipeline.environments(), pipeline.store());
    for description in ["first", "second"] {
        let anew = document(&format!("name = \"anew\"\ndescription = \"{description}\"\n"));
        other.put_environment(&anew, 0, "other", "").await.unwrap();
        environments.look().await.unwrap();
        let anew = environments.get("anew").await.unwrap();
        assert_eq!((anew.revision, anew.document.description.as_deref()), (1, Some(description)));
        other.delete_environment("anew").await.unwrap();
    }
}

#[tokio::test]
async fn a_change_that_another_host_overtook_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let pipeline = pipeline(data.path()).await;
    let environments = pipeline.environments();
    let seen = pipeline.store().environment("local").await.unwrap().unwrap();
    let theirs = document("name = \"local\"\ndescription = \"theirs\"\n");
    pipeline.store().put_environment(&theirs, seen.revision, "other", "").await.unwrap();
    let intent = Intent { author: "test".to_owned(), note: String::new(), force: true, expected: None };
    let ours = document("name = \"local\"\ndescription = \"ours\"\n");
    let error = environments.commit(&ours, &intent, Some(&seen)).await.err().unwrap();
    assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
    assert_eq!(pipeline.store().environment("local").await.unwrap().unwrap().document, theirs);
}

#[tokio::test]
async fn an_environment_has_one_lakehouse_however_often_its_limits_change() {
    let data = tempfile::tempdir().unwrap();
    let pipeline = pipeline(data.path()).await;
    let environments = pipeline.environments();
    let intent = Intent { author: "test".to_owned(), note: String::new(), force: true, expected: None };
    let mut before = environments.get("local").await.unwrap();
    for seconds in [10, 20, 30] {
        let limited = document(&format!("name = \"local\"\n[limits]\nquery_seconds = {seconds}\n"));
        pipeline.apply_environment(limited.clone(), &intent).await.unwrap();
        let now = environments.get("local").await.unwrap();
        assert!(!Arc::ptr_eq(&before.lakehouse, &now.lakehouse), "its statements have other limits");
        assert_eq!(environments.lakehouses.lock().await.len(), 1);
        let described = Environment { description: Some(seconds.to_string()), ..limited };
        pipeline.apply_environment(described, &intent).await.unwrap();
        before = environments.get("local").await.unwrap();
        assert!(Arc::ptr_eq(&before.lakehouse, &now.lakehouse), "nothing about it changed");
    }
}

#[tokio::test]
async fn an_environment_that_cannot_be_used_keeps_no_other_from_working_and_is_tried_again() {
    let data = tempfile::tempdir().unwrap();
    let broken = "name = \"broken\"\n[lakehouse]\nstorage = \"s3://bucket-of-tests\"\ns3 = { secret = \"keys\" }\n";
    pipeline(data.path()).await.store().put_environment(&document(broken), 0, "test", "").await.unwrap();
    let pipeline = pipeline(data.path()).await;
    let environments = pipeline.environments();
    environments.get("local").await.unwrap();
    let error = environments.get("broken").await.err().unwrap();
    assert!(matches!(&error, Error::Unavailable { message, .. } if message.contains("keys")), "{error:?}");
    assert_eq!(environments.list().await.len(), 1);
    assert_eq!(environments.revisions("broken").await.unwrap().len(), 1, "its past can be seen");
    pipeline.store().set_secret("broken", "keys", "key:secret").await.unwrap();
    environments.look().await.unwrap();
    environments.get("broken").await.unwrap();
}

#[tokio::test]
async fn a_document_that_no_host_could_use_is_not_stored() {
    let data = tempfile::tempdir().unwrap();
    let pipeline = pipeline(data.path()).await;
    let intent = Intent { author: "test".to_owned(), note: String::new(), force: true, expected: None };
    let bad = document("name = \"local\"\n[services.x]\nprogram = \"none\"\nhealth_path = \"/\"\n");
    let error = pipeline.apply_environment(bad, &intent).await.err().unwrap();
    assert!(
        matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == "services.x.program"),
        "{error:?}"
    );
    assert_eq!(pipeline.environments().revisions("local").await.unwrap().len(), 1);
}

#[tokio::test]
async fn rows_of_a_join_that_no_request_took_go_an_hour_after_its_end() {
    let data = tempfile::tempdir().unwrap();
    let pipeline = pipeline(data.path()).await;
    let (active, store) = (pipeline.environments().get("local").await.unwrap(), pipeline.store());
    let folder = data.path().join("environments/local/objects/features/historical");
    std::fs::create_dir_all(&folder).unwrap();
    for object in ["ended.parquet", ".ended.parquet.half", "pending.parquet", "unknown.parquet"] {
        std::fs::write(folder.join(object), "rows").unwrap();
    }
    let join = |id: &str| NewTask::new("local", features::KIND).subject(id);
    let ended = store.insert_task(&join("ended")).await.unwrap();
    store.request_cancel(&ended.id).await.unwrap();
    store.insert_task(&join("pending")).await.unwrap();
    let sweep = |minutes| pipeline.sweep_joins(&active, Utc::now() + TimeDelta::minutes(minutes));
    assert_eq!(sweep(50).await.unwrap(), Vec::<String>::new(), "its request may still be there");
    assert_eq!(
        sweep(70).await.unwrap(),
        ["features/historical/.ended.parquet.half", "features/historical/ended.parquet"]
    );
    let mut left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["pending.parquet", "unknown.parquet"]);
}
