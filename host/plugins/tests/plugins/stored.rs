//! Components that were built against a released contract are taken and run by this host, whatever became of their sources.

use std::path::PathBuf;

use asgard_contract::deployer::BuildRequest;
use asgard_contract::environment::Limits;
use asgard_contract::features::{
    Dtype, EntityRows, Feature, FeatureService, FeatureView, HistoricalRequest, OnlineRequest, Outcome, Request,
    Selection,
};
use asgard_contract::{Error, Status, Step, TableName};
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

fn view() -> FeatureView {
    let tags = vec![("team".to_owned(), "plant".to_owned())];
    let feature = |name: &str, dtype| Feature {
        name: name.to_owned(),
        dtype,
        description: Some("per hour".to_owned()),
        tags: tags.clone(),
    };
    FeatureView {
        name: "speeds".to_owned(),
        entities: vec!["operator".to_owned()],
        features: vec![feature("speed", Dtype::Float64), feature("last", Dtype::ArrayInt64)],
        source: TableName::new("gold", "operators"),
        timestamp_field: Some("seen".to_owned()),
        created_timestamp_column: None,
        ttl_seconds: 3600,
        description: None,
        tags: tags.clone(),
        online: true,
    }
}

#[tokio::test]
async fn a_stored_feature_source_is_taken_and_understands_what_it_is_told() {
    let (call, lines) = call(Limits::default());
    let source = stored("shelf").await.feature_source(call);
    assert_eq!(source.information().await.unwrap().offline_store_type, "none");

    source.register_view(&view()).await.unwrap();
    let said = lines.all().pop().unwrap();
    for part in
        ["\"speeds\"", "\"operator\"", "ArrayInt64", "per hour", "plant", "\"gold\"", "\"seen\"", "3600", "true"]
    {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let service = FeatureService {
        name: "shift".to_owned(),
        views: vec!["speeds".to_owned()],
        description: Some("what a shift needs".to_owned()),
        tags: Vec::new(),
    };
    source.register_service(&service, &[view()]).await.unwrap();
    let said = lines.all().pop().unwrap();
    assert!(said.contains("what a shift needs") && said.ends_with("of 1 views"), "{said}");
    source.remove_service("shift").await.unwrap();
    source.remove_view(&view()).await.unwrap();

    let selections = vec![Selection { view: view(), features: vec!["speed".to_owned()] }];
    let entities = vec![serde_json::from_value(json!({"operator": 7})).unwrap()];
    let request = OnlineRequest { selections: selections.clone(), full_names: false, entities };
    assert_eq!(json!(source.online(&request).await.unwrap()), json!([{"operator": 7, "speed": null}]));

    let step = source.start(&Request::Materialise(view())).await.unwrap();
    assert_eq!(step.status, Status::Succeeded { outcome: Outcome { rows: 0, snapshots: Vec::new() } });
    source.cancel(&step.state).await.unwrap();
    assert!(source.advance(b"of another").await.is_err());
    // It was lent no objects to keep the rows.
    let join = HistoricalRequest {
        rows: EntityRows::ArrowIpc(Vec::new()),
        selections,
        full_names: true,
        output: "joined.parquet".to_owned(),
    };
    assert!(matches!(source.start(&Request::Historical(join)).await, Err(Error::Forbidden { .. })));
}

#[tokio::test]
async fn a_stored_image_build_is_taken_and_takes_steps() {
    let (call, lines) = call(Limits::default());
    let build = stored("builder").await.image_build(call);
    let request = BuildRequest {
        deployment_id: "deployment-1".to_owned(),
        model_name: "greeter".to_owned(),
        model_version: "2".to_owned(),
        model_files: vec![("MLmodel".to_owned(), "deployments/deployment-1/model/MLmodel".to_owned())],
        requirements: vec!["scikit-learn>=1.4".to_owned()],
    };
    let step = build.start(&request).await.unwrap();
    let said = lines.all().pop().unwrap();
    for part in ["deployment-1", "\"2\"", "model/MLmodel", "scikit-learn>=1.4"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    assert!(matches!(step.status, Status::Running { .. }), "{step:?}");
    let step = build.advance(&step.state).await.unwrap();
    build.cancel(&step.state).await.unwrap();
    let Step { status: Status::Succeeded { outcome }, .. } = step else { panic!("{step:?}") };
    assert_eq!(outcome.image, format!("registry.example.com/greeter@sha256:{}", "0".repeat(64)));
}
