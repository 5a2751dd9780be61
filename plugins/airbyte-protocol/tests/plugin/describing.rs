//! What a connector says of itself and its source.

use asgard_plugin_airbyte_protocol::{command, specification};
use asgard_sdk::Error;
use asgard_sdk::connector::{Source, StreamDescriptor, SyncMode};
use asgard_sdk::processes::{Ending, ProcessStatus};
use serde_json::{Value, json};

use crate::recorded::{Recorded, configuration, connector, source};

pub(crate) const DISCOVER: &str = include_str!("answers/faker-discover.jsonl");

pub(crate) fn streams(output: &str) -> Vec<StreamDescriptor> {
    let host = Recorded::new(&[("discover", output)]);
    let found = command::discover(&host, &connector(json!({})), &source()).unwrap();
    found.iter().map(|found| found.stream.descriptor()).collect()
}

#[test]
fn a_type_of_source_has_the_connectors_own_schema() {
    let host = Recorded::new(&[("spec", include_str!("answers/faker-spec.jsonl"))]);
    let types = specification::source_types(&host, &configuration(json!({}))).unwrap();
    assert_eq!((types.len(), types[0].name.as_str(), types[0].title.as_str()), (1, "faker", "Faker Source Spec"));
    let schema: Value = serde_json::from_str(&types[0].schema).unwrap();
    assert_eq!(schema["properties"]["count"]["default"], 1000);
    let started = host.0.started.borrow();
    assert_eq!(started[0].arguments[2..], ["source-faker", "spec"]);
    assert!(started[0].environment.contains(&("ASGARD_OUTPUT".to_owned(), "stream".to_owned())));
    assert_eq!(*host.0.removed.borrow(), ["spec"]);
}

#[test]
fn a_schema_of_the_binding_is_taken_without_asking_and_its_secrets_are_write_only() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Items",
        "properties": {
            "token": {"type": "string", "airbyte_secret": true, "pattern": "^(?!x).*$"},
            "auth": {"oneOf": [{"properties": {"key": {"type": "string", "airbyte_secret": true}}}]},
        },
    });
    let host = Recorded::default();
    let types = specification::source_types(&host, &configuration(json!({"schema": schema}))).unwrap();
    let schema: Value = serde_json::from_str(&types[0].schema).unwrap();
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["properties"]["token"]["writeOnly"], true);
    assert_eq!(schema["properties"]["auth"]["oneOf"][0]["properties"]["key"]["writeOnly"], true);
    assert!(schema["properties"]["token"].get("pattern").is_none());
    assert!(host.0.started.borrow().is_empty());
}

#[test]
fn what_a_check_says_is_told_in_the_connectors_words() {
    let host = Recorded::new(&[("check", include_str!("answers/faker-check.jsonl"))]);
    command::check(&host, &connector(json!({})), &source()).unwrap();
    assert_eq!(host.file("check", "config.json").unwrap()["token"], "secret://source-s1.token");
    for (answer, words) in [
        (include_str!("answers/faker-check-failed.jsonl"), "'x' is not of type 'integer'"),
        (include_str!("answers/declarative-check-failed.jsonl"), "HTTP Status Code: 401"),
    ] {
        host.plays("check", answer, ProcessStatus::Exited(0));
        match command::check(&host, &connector(json!({})), &source()).unwrap_err() {
            Error::InvalidInput(wrong) => {
                assert_eq!(wrong.field.as_deref(), Some("config"));
                assert!(wrong.message.contains(words), "{}", wrong.message);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(*host.0.removed.borrow(), ["check", "check", "check"]);
}

#[test]
fn a_process_that_says_nothing_is_told_by_its_end_and_its_last_words() {
    let host = Recorded::default();
    host.plays("check", "Killed\n", ProcessStatus::Exited(137));
    let error = command::check(&host, &connector(json!({})), &source()).unwrap_err();
    assert!(
        matches!(&error, Error::Internal(message) if message.contains("137") && message.contains("the disk is full")),
        "{error:?}"
    );
    host.plays("check", "", ProcessStatus::Ended(Ending::Timeout));
    assert!(matches!(command::check(&host, &connector(json!({})), &source()), Err(Error::Unavailable(_))));
    assert!(host.said("Killed"));
}

#[test]
fn a_catalog_becomes_streams_with_columns_keys_and_modes() {
    let found = streams(DISCOVER);
    assert_eq!(found.iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), ["products", "users", "purchases"]);
    let users = &found[1];
    let column = |name: &str| users.columns.iter().find(|column| column.name == name).unwrap().data_type.clone();
    assert_eq!(
        (column("id"), column("created_at"), column("name")),
        ("long".into(), "timestamptz".into(), "string".into())
    );
    assert!(
        column("address").starts_with("struct<") && column("address").contains("city:string"),
        "{}",
        column("address")
    );
    assert_eq!(users.primary_key, ["id"]);
    // The connector finds by itself what is new.
    assert!(users.cursor_columns.is_empty());
    assert_eq!(users.sync_modes.len(), 4);
    assert_eq!(users.sync_modes[0], SyncMode::FullRefreshOverwrite);
}

#[test]
fn a_cursor_that_the_user_chooses_may_be_any_ordered_column() {
    let stream = json!({"name": "t", "namespace": "public", "supported_sync_modes": ["incremental"], "default_cursor_field": ["b"],
        "source_defined_primary_key": [["nested", "id"]],
        "json_schema": {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "boolean"}}}});
    let empty = json!({"name": "e", "json_schema": {}, "supported_sync_modes": ["full_refresh"]});
    let found = streams(&json!({"type": "CATALOG", "catalog": {"streams": [stream, empty]}}).to_string());
    assert_eq!(found[0].namespace.as_deref(), Some("public"));
    assert_eq!(found[0].cursor_columns, ["b", "a"]);
    assert!(found[0].primary_key.is_empty());
    assert!(found[1].unsupported.as_deref().unwrap().contains("no properties"));
    assert_eq!(found[1].sync_modes.len(), 2);
}

#[test]
fn a_configuration_that_is_no_object_is_refused_before_anything_is_started() {
    let list = Source { configuration: "[]".to_owned(), ..source() };
    let refused = configuration(json!({})).connector_of(&list).unwrap_err();
    assert!(matches!(refused, Error::InvalidInput(wrong) if wrong.field.as_deref() == Some("config")));
}
