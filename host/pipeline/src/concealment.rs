//! Secrets in configurations: taken out before anything is stored, masked in every answer.
//!
//! A property of a JSON Schema with `"writeOnly": true` is a secret. Its value moves to the secret store, and
//! `secret://NAME` stands in its place; plugins and stored records only ever see the reference.

use serde_json::Value;

/// What stands for a secret in answers, as the seed API has it.
pub const MASK: &str = "**********";

/// A configuration without its secrets, and the secrets by name.
pub struct Concealed {
    pub configuration: Value,
    pub secrets: Vec<(String, String)>,
}

/// Takes the secrets out of `configuration`. Their names start with `owner`, such as `source-3f2a`. A secret that is the
/// mask keeps the reference that `before` has in the same place, so that a client may send back what it was shown.
pub fn conceal(schema: &Value, configuration: Value, before: Option<&Value>, owner: &str) -> Concealed {
    let mut concealed = Concealed { configuration, secrets: Vec::new() };
    let mut configuration = std::mem::take(&mut concealed.configuration);
    walk(schema, &mut configuration, before, owner, &mut concealed.secrets);
    concealed.configuration = configuration;
    concealed
}

fn walk(schema: &Value, value: &mut Value, before: Option<&Value>, path: &str, secrets: &mut Vec<(String, String)>) {
    if schema.get("writeOnly").and_then(Value::as_bool) == Some(true) {
        let text = match &*value {
            Value::String(text) => text.clone(),
            Value::Null => return,
            other => other.to_string(),
        };
        // A reference that the user wrote (a secret of `asgard secret set`) stays one.
        if text.starts_with("secret://") {
            return;
        }
        if let (true, Some(kept)) = (text == MASK, before) {
            *value = kept.clone();
            return;
        }
        *value = Value::String(format!("secret://{path}"));
        secrets.push((path.to_owned(), text));
        return;
    }
    if let (Some(properties), Some(object)) =
        (schema.get("properties").and_then(Value::as_object), value.as_object_mut())
    {
        for (name, property) in properties {
            if let Some(inner) = object.get_mut(name) {
                walk(property, inner, before.and_then(|b| b.get(name)), &format!("{path}.{name}"), secrets);
            }
        }
    }
    for keyword in ["oneOf", "anyOf", "allOf"] {
        for option in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
            walk(option, value, before, path, secrets);
        }
    }
}

/// The place of the first secret that stands in a configuration as it is, and not as a reference. For documents, which are kept and
/// shown as they were given.
pub(crate) fn exposed(schema: &Value, configuration: &Value) -> Option<String> {
    let concealed = conceal(schema, configuration.clone(), None, "configuration");
    concealed.secrets.into_iter().next().map(|(path, _)| path)
}

/// Where the secret of a configuration is, below `prefix`; `prefix` itself where it has several, or none.
pub(crate) fn place_of_secret(schema: &Value, configuration: &Value, prefix: &str) -> String {
    let mut configuration = unreferenced(configuration);
    let mut secrets = Vec::new();
    walk(schema, &mut configuration, None, prefix, &mut secrets);
    secrets.sort();
    secrets.dedup();
    match secrets.as_slice() {
        [(path, _)] => path.clone(),
        _ => prefix.to_owned(),
    }
}

/// With something in the place of references, which are no secrets themselves.
fn unreferenced(configuration: &Value) -> Value {
    match configuration {
        Value::String(text) if text.starts_with("secret://") => Value::String(MASK.to_owned()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), unreferenced(value))).collect())
        }
        other => other.clone(),
    }
}

/// The configuration as answers show it.
pub fn masked(configuration: &Value) -> Value {
    match configuration {
        Value::String(text) if text.starts_with("secret://") => Value::String(MASK.to_owned()),
        Value::Array(items) => Value::Array(items.iter().map(masked).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), masked(value))).collect())
        }
        other => other.clone(),
    }
}

/// Names of the secrets that a configuration refers to and that belong to `owner`.
pub fn owned_secrets(configuration: &Value, owner: &str) -> Vec<String> {
    match configuration {
        Value::String(text) => text
            .strip_prefix("secret://")
            .filter(|name| name.strip_prefix(owner).is_some_and(|rest| rest.starts_with('.')))
            .map(str::to_owned)
            .into_iter()
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| owned_secrets(item, owner)).collect(),
        Value::Object(fields) => fields.values().flat_map(|value| owned_secrets(value, owner)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_leave_the_configuration_and_a_sent_back_mask_keeps_them() {
        let schema = json!({"properties": {
            "host": {"type": "string"},
            "password": {"type": "string", "writeOnly": true},
            "tunnel": {"oneOf": [{"properties": {"key": {"writeOnly": true}}}]},
        }});
        let given = json!({"host": "db", "password": "s3cret", "tunnel": {"key": "k"}});
        let first = conceal(&schema, given, None, "source-1");
        assert_eq!(
            first.configuration,
            json!({"host": "db", "password": "secret://source-1.password", "tunnel": {"key": "secret://source-1.tunnel.key"}})
        );
        assert_eq!(first.secrets.len(), 2);
        assert_eq!(masked(&first.configuration)["password"], MASK);

        let again = conceal(&schema, masked(&first.configuration), Some(&first.configuration), "source-1");
        assert_eq!(again.configuration, first.configuration);
        assert!(again.secrets.is_empty());
        assert_eq!(owned_secrets(&first.configuration, "source-1").len(), 2);
    }

    #[test]
    fn the_one_secret_of_a_configuration_has_a_place() {
        let schema = json!({"properties": {"password": {"writeOnly": true}, "keys": {"properties": {"secret": {"writeOnly": true}}}}});
        for (configuration, place) in [
            (json!({"password": "secret://source-1.password"}), "config.password"),
            (json!({"keys": {"secret": "s"}}), "config.keys.secret"),
            (json!({"password": "p", "keys": {"secret": "s"}}), "config"),
            (json!({"host": "h"}), "config"),
        ] {
            assert_eq!(place_of_secret(&schema, &configuration, "config"), place);
        }
    }

    #[test]
    fn a_secret_that_stands_in_a_document_is_found_with_its_place() {
        let schema = json!({"properties": {"proxy": {"properties": {"token": {"writeOnly": true}}}}});
        let exposing = json!({"proxy": {"token": "s3cret"}});
        assert_eq!(exposed(&schema, &exposing).as_deref(), Some("configuration.proxy.token"));
        assert_eq!(exposed(&schema, &json!({"proxy": {"token": "secret://proxy"}})), None);
    }
}
