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
/// mask keeps the reference that `before` has in the same place, so that a client may send back what it was shown; in a list,
/// whose elements may have moved, that of the element which was shown so.
pub fn conceal(schema: &Value, mut configuration: Value, before: Option<&Value>, owner: &str) -> Concealed {
    let mut found = Found { schema, fresh: Vec::new() };
    found.walk(schema, &mut configuration, before, owner, 0);
    // A reference that moved within a list keeps its name: nothing new may take it.
    let mut taken = owned_secrets(&configuration, owner);
    let mut secrets = Vec::with_capacity(found.fresh.len());
    for Fresh { path, pointer, text } in found.fresh {
        let mut name = path.clone();
        let mut number = 2;
        while taken.contains(&name) {
            name = format!("{path}-{number}");
            number += 1;
        }
        if let Some(value) = configuration.pointer_mut(pointer.strip_prefix(owner).unwrap_or_default()) {
            *value = Value::String(format!("secret://{name}"));
        }
        taken.push(name.clone());
        secrets.push((name, text));
    }
    Concealed { configuration, secrets }
}

/// Schemas refer to others, and to themselves; no configuration is as deep.
const DEEPEST: usize = 32;

struct Found<'a> {
    /// The whole, which references point into.
    schema: &'a Value,
    fresh: Vec<Fresh>,
}

/// A secret that stands in a configuration as it is.
struct Fresh {
    /// Its name, with dots.
    path: String,
    /// Its place: the owner, then a JSON pointer.
    pointer: String,
    text: String,
}

impl Found<'_> {
    fn walk(&mut self, schema: &Value, value: &mut Value, before: Option<&Value>, at: &str, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        if schema.get("writeOnly").and_then(Value::as_bool) == Some(true) {
            self.secret(value, before, at);
            return;
        }
        let whole = self.schema;
        let referred = schema.get("$ref").and_then(Value::as_str).and_then(|to| whole.pointer(to.strip_prefix('#')?));
        if let Some(referred) = referred {
            self.walk(referred, value, before, at, depth + 1);
        }
        match value {
            Value::Object(object) => {
                let properties = schema.get("properties").and_then(Value::as_object);
                for (name, inner) in object.iter_mut() {
                    let of = properties.and_then(|all| all.get(name)).or_else(|| schema.get("additionalProperties"));
                    if let Some(of) = of {
                        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                        self.walk(of, inner, before.and_then(|before| before.get(name)), &at, depth + 1);
                    }
                }
            }
            Value::Array(items) => {
                let before = before.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                let before: Vec<Option<&Value>> =
                    (0..items.len()).map(|index| shown_as(items, index, before)).collect();
                for (index, item) in items.iter_mut().enumerate() {
                    let first = schema.get("prefixItems").and_then(|first| first.get(index));
                    if let Some(of) = first.or_else(|| schema.get("items")) {
                        self.walk(of, item, before[index], &format!("{at}/{index}"), depth + 1);
                    }
                }
            }
            _ => {}
        }
        for keyword in ["oneOf", "anyOf", "allOf"] {
            for option in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                self.walk(option, value, before, at, depth + 1);
            }
        }
    }

    fn secret(&mut self, value: &mut Value, before: Option<&Value>, at: &str) {
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
        // Two branches of a schema may name one secret.
        if self.fresh.iter().all(|fresh| fresh.pointer != at) {
            let path = at.replace('/', ".").replace("~1", "/").replace("~0", "~");
            self.fresh.push(Fresh { path, pointer: at.to_owned(), text });
        }
    }
}

/// What an element of a list was before: the one that was shown as it is now, or the one in its place where none came or went.
fn shown_as<'b>(items: &[Value], index: usize, before: &'b [Value]) -> Option<&'b Value> {
    let shown = before.iter().find(|before| masked(before) == items[index]);
    shown.or_else(|| before.get(index).filter(|_| before.len() == items.len()))
}

/// The place of the first secret that stands in a configuration as it is, and not as a reference. For documents, which are kept and
/// shown as they were given.
pub(crate) fn exposed(schema: &Value, configuration: &Value) -> Option<String> {
    let concealed = conceal(schema, configuration.clone(), None, "configuration");
    concealed.secrets.into_iter().next().map(|(path, _)| path)
}

/// Where the secret of a configuration is, below `prefix`; `prefix` itself where it has several, or none.
pub(crate) fn place_of_secret(schema: &Value, configuration: &Value, prefix: &str) -> String {
    let mut found = Found { schema, fresh: Vec::new() };
    found.walk(schema, &mut unreferenced(configuration), None, prefix, 0);
    match found.fresh.as_slice() {
        [Fresh { path, .. }] => path.clone(),
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
        Value::Array(items) => Value::Array(items.iter().map(unreferenced).collect()),
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
    fn secrets_in_lists_and_under_any_name_leave_too() {
        let schema = json!({"$defs": {"login": {"properties": {"password": {"writeOnly": true}}}}, "properties": {
            "logins": {"items": {"$ref": "#/$defs/login"}},
            "keys": {"additionalProperties": {"writeOnly": true}},
        }});
        let given = json!({"logins": [{"user": "a", "password": "one"}, {"user": "b", "password": "two"}], "keys": {"x/y": "k"}});
        let first = conceal(&schema, given, None, "source-1");
        assert_eq!(
            first.configuration,
            json!({"logins": [{"user": "a", "password": "secret://source-1.logins.0.password"},
                {"user": "b", "password": "secret://source-1.logins.1.password"}], "keys": {"x/y": "secret://source-1.keys.x/y"}})
        );
        // The first went, and a new one came behind the second, which keeps its own secret.
        let mut shown = masked(&first.configuration);
        let logins = shown["logins"].as_array_mut().unwrap();
        logins.remove(0);
        logins.push(json!({"user": "c", "password": "three"}));
        let again = conceal(&schema, shown, Some(&first.configuration), "source-1");
        assert_eq!(
            again.configuration["logins"],
            json!([{"user": "b", "password": "secret://source-1.logins.1.password"},
                {"user": "c", "password": "secret://source-1.logins.1.password-2"}])
        );
        assert_eq!(again.secrets, [("source-1.logins.1.password-2".to_owned(), "three".to_owned())]);
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
