//! Types of sources, and a source's configuration in the names of Airbyte's connector.
//!
//! The four types that every client of the API knows have schemas of their own, the API's; what they do not name goes to Airbyte as it
//! is, so that an option of a connector needs no new version of the plugin.

use asgard_sdk::connector::{Source, SourceType};
use asgard_sdk::{Error, Result};
use serde_json::{Map, Value, json};

use crate::configuration::Configuration;

/// Airbyte's connector and the configuration in its names.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated {
    /// As in its image, `airbyte/source-NAME`.
    pub connector: String,
    pub configuration: Value,
}

const OWN: [(&str, &str); 4] =
    [("postgres", "PostgreSQL"), ("mysql", "MySQL"), ("mongodb", "MongoDB"), ("kafka", "Kafka")];

/// All types.
///
/// # Errors
/// `internal` when a schema has no JSON form.
pub fn types(configuration: &Configuration) -> Result<Vec<SourceType>> {
    let text = |schema: &Value| serde_json::to_string(schema).map_err(Error::internal);
    let mut types = Vec::new();
    for (name, title) in OWN {
        if !configuration.connectors.contains_key(name) {
            let schema = text(&own_schema(name))?;
            types.push(SourceType { name: name.to_owned(), title: format!("{title} by Airbyte"), schema });
        }
    }
    for (name, connector) in &configuration.connectors {
        let mut schema = connector.schema.clone().unwrap_or_else(|| json!({ "additionalProperties": true }));
        mark_secrets(&mut schema);
        if let Some(object) = schema.as_object_mut() {
            object.insert("type".to_owned(), json!("object"));
        }
        let title = connector.title.clone().unwrap_or_else(|| format!("{name} by Airbyte"));
        types.push(SourceType { name: name.clone(), title, schema: text(&schema)? });
    }
    Ok(types)
}

fn mark_secrets(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("airbyte_secret") == Some(&Value::Bool(true)) {
                object.insert("writeOnly".to_owned(), Value::Bool(true));
            }
            object.values_mut().for_each(mark_secrets);
        }
        Value::Array(items) => items.iter_mut().for_each(mark_secrets),
        _ => {}
    }
}

fn own_schema(name: &str) -> Value {
    let database = |port: u16, more: Value| {
        let mut schema = json!({
            "type": "object",
            "required": ["host", "database", "username", "password"],
            "properties": {
                "host": { "type": "string", "minLength": 1 },
                "port": { "type": "integer", "minimum": 1, "maximum": 65535, "default": port },
                "database": { "type": "string", "minLength": 1 },
                "username": { "type": "string", "minLength": 1 },
                "password": { "type": "string", "writeOnly": true },
                "jdbc_url_params": { "type": "string", "description": "Further parameters of the connection: `a=1&b=2`" },
                "tunnel_method": { "type": "object", "description": "As Airbyte's connector has it" },
            },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            schema["properties"][key] = value.clone();
        }
        schema
    };
    let mode = |default: &str, modes: &[&str]| {
        json!({ "type": "object", "default": { "mode": default }, "required": ["mode"],
            "properties": { "mode": { "enum": modes, "default": default },
                "client_key": { "type": "string", "writeOnly": true }, "client_key_password": { "type": "string", "writeOnly": true } } })
    };
    match name {
        "postgres" => database(
            5432,
            json!({
                "schemas": { "type": "array", "items": { "type": "string" } },
                "ssl_mode": mode("require", &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
                "replication_method": { "type": "object", "default": { "method": "Standard" },
                    "description": "`{method: Standard}`, `{method: Xmin}`, or `{method: CDC, replication_slot, publication}`" },
            }),
        ),
        "mysql" => database(
            3306,
            json!({
                "ssl_mode": mode("preferred", &["preferred", "required", "verify_ca", "verify_identity"]),
                "replication_method": { "type": "object", "default": { "method": "STANDARD" },
                    "description": "`{method: STANDARD}` or `{method: CDC}`" },
            }),
        ),
        "mongodb" => json!({
            "type": "object",
            "required": ["connection_string", "database"],
            "properties": {
                "connection_string": { "type": "string", "minLength": 1, "writeOnly": true },
                "database": { "type": "string", "minLength": 1 },
                "auth_source": { "type": "string", "default": "admin" },
                "username": { "type": "string" },
                "password": { "type": "string", "writeOnly": true },
                "cluster_type": { "enum": ["SELF_MANAGED_REPLICA_SET", "ATLAS_REPLICA_SET"], "default": "SELF_MANAGED_REPLICA_SET" },
            },
        }),
        _ => json!({
            "type": "object",
            "required": ["bootstrap_servers", "topic"],
            "properties": {
                "bootstrap_servers": { "type": "array", "minItems": 1, "items": { "type": "string", "minLength": 1 } },
                "security_protocol": { "enum": ["PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL"], "default": "PLAINTEXT" },
                "sasl_mechanism": { "enum": ["PLAIN"], "default": "PLAIN" },
                "sasl_jaas_config": { "type": "string", "writeOnly": true },
                "topic": { "type": "string", "minLength": 1, "description": "A name or a regular expression" },
                "group_id": { "type": "string" },
            },
        }),
    }
}

/// A source in Airbyte's names.
///
/// # Errors
/// `invalid-input` for a configuration that is no object, and for a type that is none.
pub fn translate(configuration: &Configuration, source: &Source) -> Result<Translated> {
    let given: Map<String, Value> = serde_json::from_str(&source.configuration)
        .map_err(|_| Error::invalid("config", "the configuration of a source is an object"))?;
    let name = source.source_type.as_str();
    if let Some(connector) = configuration.connectors.get(name) {
        let connector = connector.source_type.clone().unwrap_or_else(|| name.to_owned());
        return Ok(translated(connector, given));
    }
    match name {
        "postgres" | "mysql" => Ok(translated(name.to_owned(), database(given)?)),
        "mongodb" => mongodb(given).map(|configuration| translated("mongodb-v2".to_owned(), configuration)),
        "kafka" => kafka(given).map(|configuration| translated(name.to_owned(), configuration)),
        other => Err(Error::invalid(
            "type",
            format!("the binding serves no sources of type `{other}`: add it to `configuration.connectors`"),
        )),
    }
}

/// The public API tells the connector by this field.
fn translated(connector: String, mut configuration: Map<String, Value>) -> Translated {
    configuration.insert("sourceType".to_owned(), json!(connector));
    Translated { connector, configuration: Value::Object(configuration) }
}

fn required(given: &Map<String, Value>, key: &str) -> Result<Value> {
    let missing = || Error::invalid(format!("config.{key}"), format!("`{key}` is missing"));
    given.get(key).filter(|value| !value.is_null()).cloned().ok_or_else(missing)
}

/// Airbyte's connectors of databases have the API's names.
fn database(mut given: Map<String, Value>) -> Result<Map<String, Value>> {
    for key in ["host", "database", "username"] {
        required(&given, key)?;
    }
    given.entry("tunnel_method").or_insert_with(|| json!({ "tunnel_method": "NO_TUNNEL" }));
    Ok(given)
}

fn mongodb(mut given: Map<String, Value>) -> Result<Map<String, Value>> {
    let database = required(&given, "database")?;
    required(&given, "connection_string")?;
    given.remove("database");
    let mut cluster = Map::from_iter([("databases".to_owned(), json!([database]))]);
    for key in ["cluster_type", "connection_string", "auth_source", "username", "password", "schema_enforced"] {
        if let Some(value) = given.remove(key) {
            cluster.insert(key.to_owned(), value);
        }
    }
    cluster.entry("cluster_type").or_insert_with(|| json!("SELF_MANAGED_REPLICA_SET"));
    given.insert("database_config".to_owned(), Value::Object(cluster));
    Ok(given)
}

fn kafka(mut given: Map<String, Value>) -> Result<Map<String, Value>> {
    let servers = required(&given, "bootstrap_servers")?;
    let servers: Vec<&str> = servers.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let topic = required(&given, "topic")?;
    let mut protocol = Map::new();
    for key in ["security_protocol", "sasl_mechanism", "sasl_jaas_config"] {
        if let Some(value) = given.remove(key) {
            protocol.insert(key.to_owned(), value);
        }
    }
    if protocol.get("security_protocol").is_none_or(|protocol| protocol == "PLAINTEXT") {
        protocol = Map::from_iter([("security_protocol".to_owned(), json!("PLAINTEXT"))]);
    }
    given.remove("topic");
    given.insert("bootstrap_servers".to_owned(), json!(servers.join(",")));
    given.insert("protocol".to_owned(), Value::Object(protocol));
    given.insert("subscription".to_owned(), json!({ "subscription_type": "subscribe", "topic_pattern": topic }));
    given.entry("MessageFormat").or_insert_with(|| json!({ "deserialization_type": "JSON" }));
    Ok(given)
}
