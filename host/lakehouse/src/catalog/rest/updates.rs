//! Updates as the strictest of the catalogs takes them.
//!
//! The protocol's own implementation forgives what the specification leaves open; Nessie does not. It wants the last column id
//! with every schema, one update of each kind, and nothing added that the table has already.

use std::collections::HashSet;

use iceberg::spec::TableMetadata;
use serde_json::{Map, Value, json};

/// Rewrites a commit's updates; what they mean stays the same.
pub(super) fn plain(commit: &mut Value, before: Option<&TableMetadata>) {
    let known: HashSet<i64> = before
        .map(|before| before.schemas_iter().map(|schema| i64::from(schema.schema_id())).collect())
        .unwrap_or_default();
    let last = before.map_or(0, |before| i64::from(before.last_column_id()));
    if let Some(updates) = commit.get_mut("updates").and_then(Value::as_array_mut) {
        *updates = rewritten(std::mem::take(updates), &known, last);
    }
}

fn rewritten(updates: Vec<Value>, known: &HashSet<i64>, last_column_id: i64) -> Vec<Value> {
    let mut properties = Map::new();
    // The schema that `-1` means, where it is one that is not added.
    let mut added = None;
    let mut kept = Vec::with_capacity(updates.len());
    for mut update in updates {
        match update["action"].as_str().unwrap_or_default() {
            "add-schema" => {
                let id = update["schema"]["schema-id"].as_i64();
                added = id.filter(|id| known.contains(id));
                if added.is_none() {
                    update["last-column-id"] = json!(highest_id(&update["schema"]).max(last_column_id));
                    kept.push(update);
                }
            }
            "set-current-schema" => {
                if let (Some(id), Some(-1)) = (added, update["schema-id"].as_i64()) {
                    update["schema-id"] = json!(id);
                }
                kept.push(update);
            }
            "set-properties" => {
                if let Some(Value::Object(updates)) = update.get_mut("updates") {
                    properties.append(updates);
                }
            }
            _ => kept.push(update),
        }
    }
    if !properties.is_empty() {
        kept.push(json!({"action": "set-properties", "updates": properties}));
    }
    kept
}

/// The highest id of a column, an element, a key or a value within a schema or a type.
fn highest_id(value: &Value) -> i64 {
    const IDS: [&str; 4] = ["id", "element-id", "key-id", "value-id"];
    match value {
        Value::Object(fields) => {
            let id = |(name, value): (&String, &Value)| {
                if IDS.contains(&name.as_str()) { value.as_i64().unwrap_or(0) } else { highest_id(value) }
            };
            fields.iter().map(id).max().unwrap_or(0)
        }
        Value::Array(values) => values.iter().map(highest_id).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(id: i64) -> Value {
        json!({"type": "struct", "schema-id": id, "fields": [
            {"id": 1, "type": "long"}, {"id": 2, "type": {"type": "map", "key-id": 3, "key": "string", "value-id": 7, "value": "long"}}]})
    }

    #[test]
    fn a_schema_is_sent_with_the_last_column_id_that_was_ever_given() {
        for (before, expected) in [(0, 7), (9, 9)] {
            let sent = rewritten(vec![json!({"action": "add-schema", "schema": schema(0)})], &HashSet::new(), before);
            assert_eq!(sent[0]["last-column-id"], expected);
        }
    }

    #[test]
    fn a_schema_that_is_known_is_named_and_not_added() {
        let updates = vec![
            json!({"action": "add-schema", "schema": schema(4)}),
            json!({"action": "set-current-schema", "schema-id": -1}),
        ];
        let sent = rewritten(updates, &HashSet::from([4]), 7);
        assert_eq!(sent, [json!({"action": "set-current-schema", "schema-id": 4})]);
    }

    #[test]
    fn properties_are_set_once() {
        let set = |key: &str| json!({"action": "set-properties", "updates": {key: "x"}});
        let sent = rewritten(vec![set("a"), json!({"action": "assign-uuid"}), set("b")], &HashSet::new(), 0);
        let both = json!({"action": "set-properties", "updates": {"a": "x", "b": "x"}});
        assert_eq!(sent, [json!({"action": "assign-uuid"}), both]);
    }
}
