//! What differs between two documents, value by value.
//!
//! Connectors are a list in which only the order of plugins matters, so they are compared by the plugin's name: one that was
//! added in front is one addition, and not a change of all that follow.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Binding, Environment};

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// `silver.configuration.driver`, `ingestion[postgres].grants.sockets`.
    pub field: String,
    /// None: it is not there. Likewise below.
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// What has to change in `before` (none: there is no such environment) to make `after` of it, by field. The environment's name is
/// no difference: documents of two environments are compared by what they say.
pub fn compare(before: Option<&Environment>, after: &Environment) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut old, mut new) = (before.map_or_else(Map::new, fields), fields(after));
    let connectors = |document: Option<&Environment>| document.map_or_else(Vec::new, |each| named(&each.ingestion));
    let (old_connectors, new_connectors) = (connectors(before), connectors(Some(after)));
    for side in [&mut old, &mut new] {
        side.remove("name");
        side.remove("ingestion");
    }
    if let Some(before) = before {
        // Both in full: what one of them leaves at its default is compared with what the other says.
        old.insert("limits".to_owned(), serde_json::to_value(&before.limits).unwrap_or_default());
        new.insert("limits".to_owned(), serde_json::to_value(&after.limits).unwrap_or_default());
    }
    compare_objects("", &old, &new, &mut changes);
    compare_connectors(&old_connectors, &new_connectors, &mut changes);
    changes.sort_by(|a, b| a.field.cmp(&b.field));
    changes
}

fn fields(document: &Environment) -> Map<String, Value> {
    match serde_json::to_value(document) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Bindings by plugin; the second one of a plugin is `postgres#2`.
fn named(bindings: &[Binding]) -> Vec<(String, Value)> {
    let mut named: Vec<(String, Value)> = Vec::new();
    for binding in bindings {
        let earlier = bindings.iter().take(named.len()).filter(|other| other.plugin == binding.plugin).count();
        let name = if earlier == 0 { binding.plugin.clone() } else { format!("{}#{}", binding.plugin, earlier + 1) };
        named.push((name, serde_json::to_value(binding).unwrap_or_default()));
    }
    named
}

fn compare_connectors(before: &[(String, Value)], after: &[(String, Value)], changes: &mut Vec<Change>) {
    let find = |side: &[(String, Value)], name: &str| side.iter().find(|(own, _)| own == name).map(|(_, v)| v.clone());
    for (name, old) in before {
        compare_values(&format!("ingestion[{name}]"), Some(old), find(after, name).as_ref(), changes);
    }
    for (name, new) in after {
        if find(before, name).is_none() {
            compare_values(&format!("ingestion[{name}]"), None, Some(new), changes);
        }
    }
    let common = |side: &[(String, Value)], other: &[(String, Value)]| -> Vec<Value> {
        let kept = side.iter().filter(|(name, _)| find(other, name).is_some());
        kept.map(|(name, _)| Value::String(name.clone())).collect()
    };
    let (old, new) = (common(before, after), common(after, before));
    if old != new {
        let (before, after) = (Some(Value::Array(old)), Some(Value::Array(new)));
        changes.push(Change { field: "ingestion".to_owned(), before, after });
    }
}

fn compare_objects(path: &str, before: &Map<String, Value>, after: &Map<String, Value>, changes: &mut Vec<Change>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, old) in before {
        compare_values(&below(key), Some(old), after.get(key), changes);
    }
    for (key, new) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        compare_values(&below(key), None, Some(new), changes);
    }
}

/// Adds what differs between two values, the first of which has this path. A whole object that came or went is one change: its parts
/// say nothing more.
pub fn compare_values(field: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => compare_objects(field, before, after, changes),
        (before, after) if before == after => {}
        (before, after) => {
            changes.push(Change { field: field.to_owned(), before: before.cloned(), after: after.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(text: &str) -> Environment {
        toml::from_str(text).unwrap()
    }

    const BEFORE: &str = r#"
        name = "a"
        [[ingestion]]
        plugin = "postgres"
        grants.sockets = ["db:5432"]
        [[ingestion]]
        plugin = "files"
        [silver]
        plugin = "sql"
        grants.lakehouse = { read = ["bronze"], write = ["silver"] }
    "#;

    #[test]
    fn a_document_does_not_differ_from_itself_under_another_name() {
        let other = document(&BEFORE.replace("\"a\"", "\"b\""));
        assert_eq!(compare(Some(&document(BEFORE)), &other), []);
    }

    #[test]
    fn each_value_that_differs_is_named_once() {
        let after = document(
            r#"
            name = "a"
            [limits]
            step_seconds = 60
            [[ingestion]]
            plugin = "mysql"
            [[ingestion]]
            plugin = "files"
            [[ingestion]]
            plugin = "postgres"
            grants.sockets = ["db:5432", "other:5432"]
            [silver]
            plugin = "spark"
            grants.lakehouse = { read = ["bronze"], write = ["silver"] }
            "#,
        );
        let changes = compare(Some(&document(BEFORE)), &after);
        let fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
        let expected = [
            "ingestion",
            "ingestion[mysql]",
            "ingestion[postgres].grants.sockets",
            "limits.step_seconds",
            "silver.plugin",
        ];
        assert_eq!(fields, expected);
        assert_eq!(changes[0].after, Some(json!(["files", "postgres"])));
        assert_eq!((&changes[4].before, &changes[4].after), (&Some(json!("sql")), &Some(json!("spark"))));
    }

    #[test]
    fn a_new_environment_is_all_additions() {
        let changes = compare(None, &document(BEFORE));
        assert_eq!(changes.len(), 3);
        assert!(changes.iter().all(|change| change.before.is_none()));
    }

    #[test]
    fn two_bindings_of_one_plugin_are_told_apart() {
        let before = document("name = 'a'\n[[ingestion]]\nplugin = 'p'\n[[ingestion]]\nplugin = 'p'\n");
        let mut after = before.clone();
        after.ingestion[1].grants.key_value = true;
        assert_eq!(compare(Some(&before), &after)[0].field, "ingestion[p#2].grants");
    }
}
