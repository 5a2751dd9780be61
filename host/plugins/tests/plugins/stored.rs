//! Components that were built against a released contract are taken and run by this host, whatever became of their sources.

use std::path::PathBuf;

use asgard_contract::environment::Limits;
use asgard_contract::{Status, Step};
use asgard_plugins::{Plugin, parse_manifest};
use serde_json::json;

use crate::setup::{call, run, runtime};
use crate::syncs::{ingestion, told};

async fn stored(name: &str) -> Plugin {
    let folder = PathBuf::from("../../tests/fixtures/stored").join(name);
    let manifest = parse_manifest(&std::fs::read_to_string(folder.join("plugin.toml")).unwrap()).unwrap();
    runtime().load(&std::fs::read(folder.join("plugin.wasm")).unwrap(), &manifest).await.unwrap()
}

#[tokio::test]
async fn a_stored_connector_is_taken_and_syncs() {
    let connector = stored("hello").await.connector(call(Limits::default()).0);
    assert_eq!(connector.source_types().await.unwrap()[0].name, "hello");
    let mut ingestion = ingestion("greetings", None);
    ingestion.source.configuration = json!({ "names": ["Freyja"] });
    let mut sync = connector.open(&ingestion).await.unwrap();
    let rows = "{\"greeting\":\"Hello, Freyja!\",\"name\":\"Freyja\"}";
    assert_eq!(told(&mut sync).await.unwrap(), [rows, "checkpoint [] true"]);
}

#[tokio::test]
async fn a_stored_transform_is_taken_and_takes_steps() {
    let plugin = stored("patient").await;
    assert!(plugin.validate_configuration(&json!({})).is_err(), "its schema is read as it was written");
    let (call, lines) = call(Limits::default());
    let transform = plugin.transform(call);
    let mut step = transform.start(&run("SELECT 1")).await.unwrap();
    for _ in 0..9 {
        assert!(matches!(step.status, Status::Running { .. }), "{step:?}");
        step = transform.advance(&step.state).await.unwrap();
    }
    let Step { status: Status::Succeeded { outcome }, .. } = step else { panic!("{step:?}") };
    assert_eq!(outcome.rows_written, 10);
    assert_eq!(lines.all().last().unwrap(), "Info code A takes step 10");
}
