//! A connector's specification as the type of source that the host knows.
//!
//! `airbyte_secret` says what the host calls `writeOnly`: the value is kept apart, and a reference stands in its place.

use asgard_sdk::connector::SourceType;
use asgard_sdk::{Error, Result};
use serde_json::{Map, Value, json};

use crate::command;
use crate::configuration::{Configuration, Connector};
use crate::host::Host;

/// All types that the binding's connectors serve. Those whose specification the binding does not have are asked, all at once.
///
/// # Errors
/// Those of the connectors.
pub fn source_types(host: &dyn Host, configuration: &Configuration) -> Result<Vec<SourceType>> {
    let connectors: Vec<Connector> = configuration.connectors().collect();
    let unknown: Vec<Connector> = connectors.iter().filter(|each| each.definition.schema.is_none()).cloned().collect();
    let mut told = command::specifications(host, &unknown)?.into_iter();
    let mut types = Vec::new();
    for connector in connectors {
        let specification = match &connector.definition.schema {
            Some(schema) => schema.clone(),
            None => told.next().map_or_else(|| json!({}), |specification| specification.connection_specification),
        };
        types.push(source_type(&connector, specification)?);
    }
    Ok(types)
}

fn source_type(connector: &Connector, specification: Value) -> Result<SourceType> {
    let title = connector.definition.title.clone();
    let own = specification.get("title").and_then(Value::as_str).map(str::to_owned);
    let schema = schema(specification);
    Ok(SourceType {
        name: connector.name.clone(),
        title: title.or(own).unwrap_or_else(|| connector.name.clone()),
        schema: serde_json::to_string(&schema).map_err(Error::internal)?,
    })
}

/// The JSON Schema of a source's configuration.
pub fn schema(mut specification: Value) -> Value {
    mark(&mut specification);
    if let Some(object) = specification.as_object_mut() {
        object.insert("type".to_owned(), json!("object"));
    }
    specification
}

/// Marks secrets, and takes out patterns that only some engines of regular expressions know: the connector checks its own
/// configuration in any case.
fn mark(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("airbyte_secret") == Some(&Value::Bool(true)) {
                object.insert("writeOnly".to_owned(), Value::Bool(true));
            }
            let is_foreign =
                |pattern: &str| ["(?", "\\1", "\\p", "\\Z", "\\A"].iter().any(|part| pattern.contains(part));
            if object.get("pattern").and_then(Value::as_str).is_some_and(is_foreign) {
                object.remove("pattern");
            }
            object.values_mut().for_each(mark);
        }
        Value::Array(items) => items.iter_mut().for_each(mark),
        _ => {}
    }
}

/// The places of secrets that stand in a configuration as they are, in words.
pub fn changed_fields(before: &str, now: &str) -> Vec<String> {
    let read = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let (before, now) = (read(before), read(now));
    now.into_iter()
        .filter(|(name, value)| match before.get(name) {
            // The connector has the secret where the plugin has its name.
            Some(Value::String(kept)) if kept.starts_with("secret://") => false,
            Some(kept) => kept != value,
            None => !value.is_null(),
        })
        .map(|(name, _)| name)
        .collect()
}
