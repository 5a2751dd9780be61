//! The example that plugin authors start from: `sdk/examples/hello`.

use std::path::Path;

use asgard_contract::connector::SyncMode;
use asgard_contract::environment::Limits;
use asgard_plugins::{parse_manifest, schema};
use serde_json::json;

use crate::setup::{call, component, runtime};
use crate::syncs::{ingestion, told};

#[tokio::test]
async fn the_example_plugin_is_taken_and_syncs() {
    let folder = Path::new("../../sdk/examples/hello");
    let manifest = parse_manifest(&std::fs::read_to_string(folder.join("plugin.toml")).unwrap()).unwrap();
    let plugin = runtime().load(component("hello"), &manifest).await.unwrap();
    let connector = plugin.connector(call(Limits::default()).0);

    let declared = connector.source_types().await.unwrap().remove(0);
    assert_eq!(declared.name, "hello");
    let refused = schema::validate(&declared.schema, &json!({ "names": [] }), "config").unwrap_err();
    assert_eq!(refused.to_string(), "`names` must not be empty");

    let mut ingestion = ingestion("greetings", None);
    ingestion.source.configuration = json!({ "names": ["Freyja", "Odin"] });
    connector.check(&ingestion.source).await.unwrap();
    let streams = connector.discover(&ingestion.source).await.unwrap();
    assert_eq!(streams[0].sync_modes, [SyncMode::FullRefreshOverwrite]);
    assert_eq!(streams[0].columns[1].data_type, "string");

    let mut sync = connector.open(&ingestion).await.unwrap();
    let rows =
        "{\"greeting\":\"Hello, Freyja!\",\"name\":\"Freyja\"}\n{\"greeting\":\"Hello, Odin!\",\"name\":\"Odin\"}";
    assert_eq!(told(&mut sync).await.unwrap(), [rows, "checkpoint [] true"]);
}
