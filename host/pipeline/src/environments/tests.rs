use std::path::Path;

use asgard_contract::Error;
use asgard_contract::manifest::Role;

use super::*;
use crate::{Pipeline, PipelineConfig};

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
    other.put_environment(&document("name = \"local\"\ndescription = \"changed\"\n"), "other", "").await.unwrap();
    other.put_environment(&document("name = \"new\"\n"), "other", "").await.unwrap();
    assert_eq!(environments.get("local").await.unwrap().revision, 1);
    environments.look().await.unwrap();
    let local = environments.get("local").await.unwrap();
    assert_eq!((local.revision, local.document.description.as_deref()), (2, Some("changed")));
    assert_eq!(environments.get("new").await.unwrap().revision, 1);
}

#[tokio::test]
async fn an_environment_that_cannot_be_used_keeps_no_other_from_working_and_is_tried_again() {
    let data = tempfile::tempdir().unwrap();
    let broken = "name = \"broken\"\n[lakehouse]\nstorage = \"s3://bucket-of-tests\"\ns3 = { secret = \"keys\" }\n";
    pipeline(data.path()).await.store().put_environment(&document(broken), "test", "").await.unwrap();
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
