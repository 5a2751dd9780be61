//! Every type of the API in the names of Airbyte's connector.

use asgard_plugin_airbyte::sources::{translate, types};
use asgard_sdk::connector::Source;
use serde_json::{Value, json};

use crate::server::{configuration, source};

fn of(source_type: &str, given: Value) -> (String, Value) {
    let source = Source { source_type: source_type.to_owned(), configuration: given.to_string(), ..source() };
    let all = configuration(
        json!({"connectors": {"hubspot": {"schema": {"properties": {"token": {"airbyte_secret": true}}}}}}),
    );
    let translated = translate(&all, &source).unwrap();
    (translated.connector, translated.configuration)
}

#[test]
fn databases_have_the_same_names_and_further_options_pass() {
    let given = json!({"host": "db", "port": 3306, "database": "shop", "username": "u", "password": "secret://p", "ssl_mode": {"mode": "preferred"},
        "replication_method": {"method": "STANDARD"}, "checkpoint_target_interval_seconds": 30});
    let (connector, configuration) = of("mysql", given);
    assert_eq!((connector.as_str(), &configuration["sourceType"]), ("mysql", &json!("mysql")));
    assert_eq!(configuration["checkpoint_target_interval_seconds"], 30);
    assert_eq!(configuration["tunnel_method"], json!({"tunnel_method": "NO_TUNNEL"}));
}

#[test]
fn mongodb_is_a_cluster_with_one_database() {
    let (connector, configuration) =
        of("mongodb", json!({"connection_string": "secret://c", "database": "shop", "auth_source": "admin"}));
    assert_eq!(connector, "mongodb-v2");
    assert_eq!(
        configuration["database_config"],
        json!({"cluster_type": "SELF_MANAGED_REPLICA_SET", "connection_string": "secret://c", "databases": ["shop"], "auth_source": "admin"})
    );
    assert!(configuration.get("database").is_none());
}

#[test]
fn kafka_has_a_protocol_and_a_subscription() {
    let (_, configuration) = of(
        "kafka",
        json!({"bootstrap_servers": ["a:9092", "b:9092"], "security_protocol": "PLAINTEXT", "sasl_mechanism": "PLAIN", "topic": "orders", "group_id": "g"}),
    );
    assert_eq!(configuration["bootstrap_servers"], "a:9092,b:9092");
    assert_eq!(configuration["protocol"], json!({"security_protocol": "PLAINTEXT"}));
    assert_eq!(configuration["subscription"], json!({"subscription_type": "subscribe", "topic_pattern": "orders"}));
    assert_eq!(configuration["group_id"], "g");
}

#[test]
fn any_other_connector_gets_its_configuration_as_it_is() {
    let given = json!({"token": "secret://t", "nested": {"a": [1, 2.5]}});
    let (connector, configuration) = of("hubspot", given);
    assert_eq!(
        (connector.as_str(), configuration),
        ("hubspot", json!({"token": "secret://t", "nested": {"a": [1, 2.5]}, "sourceType": "hubspot"}))
    );
}

#[test]
fn types_of_the_binding_stand_beside_the_four_and_their_secrets_are_write_only() {
    let all = types(&configuration(json!({"connectors": {"hubspot": {"schema": {"properties": {"token": {"airbyte_secret": true}}}}, "kafka": {}}}))).unwrap();
    assert_eq!(
        all.iter().map(|each| each.name.as_str()).collect::<Vec<_>>(),
        ["postgres", "mysql", "mongodb", "hubspot", "kafka"]
    );
    let schema: Value = serde_json::from_str(&all[3].schema).unwrap();
    assert_eq!((&schema["type"], &schema["properties"]["token"]["writeOnly"]), (&json!("object"), &json!(true)));
}

#[test]
fn a_field_that_is_missing_is_named() {
    for (source_type, given, field) in [
        ("postgres", json!({}), "config.host"),
        ("mongodb", json!({"database": "x"}), "config.connection_string"),
        ("kafka", json!({"topic": "x"}), "config.bootstrap_servers"),
    ] {
        let source = Source { source_type: source_type.to_owned(), configuration: given.to_string(), ..source() };
        let error = translate(&configuration(json!({})), &source).unwrap_err();
        assert!(
            matches!(&error, asgard_sdk::Error::InvalidInput(wrong) if wrong.field.as_deref() == Some(field)),
            "{error:?}"
        );
    }
}
