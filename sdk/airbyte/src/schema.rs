//! JSON Schema, with Airbyte's `airbyte_type`, as types of columns. `docs/connectors/airbyte-protocol.md` has the table.
//!
//! What a schema leaves open becomes text: a column of text takes every value, and a type that is guessed takes some.

use serde_json::{Map, Value};

use crate::shape::Shape;

/// Deeper schemas refer to themselves; what is below is text.
const DEPTH: usize = 12;

/// The type of the values that `schema` describes. `root` is where its references lead.
pub fn shape(root: &Value, schema: &Value) -> Shape {
    of(root, schema, DEPTH).unwrap_or(Shape::Text)
}

/// None: nothing but null, or nothing known.
fn of(root: &Value, schema: &Value, depth: usize) -> Option<Shape> {
    let depth = depth.checked_sub(1)?;
    let object = schema.as_object()?;
    if let Some(target) =
        object.get("$ref").and_then(Value::as_str).and_then(|target| root.pointer(target.strip_prefix('#')?))
    {
        return of(root, target, depth);
    }
    for keyword in ["oneOf", "anyOf"] {
        if let Some(options) = object.get(keyword).and_then(Value::as_array) {
            return together(options.iter().filter(|option| !is_null(option)).map(|option| of(root, option, depth)));
        }
    }
    let named: Vec<&str> = match object.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        // Schemas that were written by hand leave it out where it is plain.
        _ if object.contains_key("properties") => vec!["object"],
        _ => return None,
    };
    together(named.into_iter().filter(|name| *name != "null").map(|name| plain(root, name, object, depth)))
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// Values of several types are text, unless one type holds them all.
fn together(shapes: impl Iterator<Item = Option<Shape>>) -> Option<Shape> {
    let mut all: Option<Shape> = None;
    for shape in shapes {
        let shape = shape.unwrap_or(Shape::Text);
        all = Some(match all {
            None => shape,
            Some(before) if before == shape => shape,
            Some(Shape::Long) if shape == Shape::Double => Shape::Double,
            Some(Shape::Double) if shape == Shape::Long => Shape::Double,
            Some(_) => Shape::Text,
        });
    }
    all
}

fn plain(root: &Value, name: &str, schema: &Map<String, Value>, depth: usize) -> Option<Shape> {
    let word = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    let airbyte = word("airbyte_type");
    Some(match name {
        "boolean" => Shape::Boolean,
        "integer" | "number" | "string" if airbyte == "big_integer" => Shape::Decimal { precision: 38, scale: 0 },
        // Numbers of any size, before and behind the point: no type of a table holds them but text.
        "number" | "string" if airbyte == "big_number" => Shape::Text,
        "integer" => Shape::Long,
        "number" if airbyte == "integer" => Shape::Long,
        "number" => Shape::Double,
        "string" if word("contentEncoding") == "base64" => Shape::Binary,
        "string" => match (word("format"), airbyte) {
            ("date", _) => Shape::Date,
            ("date-time", "timestamp_without_timezone") | (_, "timestamp_without_timezone") => {
                Shape::Timestamp { zone: false }
            }
            ("date-time", _) | (_, "timestamp_with_timezone") => Shape::Timestamp { zone: true },
            // A time of a zone is no type of a table.
            (_, "time_with_timezone") => Shape::Text,
            (_, "time_without_timezone") => Shape::Time,
            _ => Shape::Text,
        },
        "array" => {
            let element =
                schema.get("items").filter(|items| items.is_object()).and_then(|items| of(root, items, depth));
            element.map_or(Shape::Text, |element| Shape::List(Box::new(element)))
        }
        "object" => structure(root, schema, depth),
        _ => Shape::Text,
    })
}

/// An object of known fields. One whose fields a type cannot name is text.
fn structure(root: &Value, schema: &Map<String, Value>, depth: usize) -> Shape {
    let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|all| !all.is_empty()) else {
        return Shape::Text;
    };
    let can_be_named = |name: &String| !name.is_empty() && !name.contains(':') && name.trim() == name;
    let mut lower: Vec<String> = properties.keys().map(|name| name.to_lowercase()).collect();
    lower.sort_unstable();
    lower.dedup();
    if depth == 0 || lower.len() < properties.len() || !properties.keys().all(can_be_named) {
        return Shape::Text;
    }
    let field = |(name, schema): (&String, &Value)| (name.clone(), of(root, schema, depth).unwrap_or(Shape::Text));
    Shape::Struct(properties.iter().map(field).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_type_of_the_protocol_has_its_column() {
        for (schema, expected) in [
            (json!({"type": "boolean"}), "boolean"),
            (json!({"type": ["null", "integer"]}), "long"),
            (json!({"type": "number", "airbyte_type": "integer"}), "long"),
            (json!({"type": "integer", "airbyte_type": "big_integer"}), "decimal(38,0)"),
            (json!({"type": "string", "airbyte_type": "big_integer"}), "decimal(38,0)"),
            (json!({"type": "string", "airbyte_type": "big_number"}), "string"),
            (json!({"type": "number"}), "double"),
            (json!({"type": ["integer", "number", "null"]}), "double"),
            (json!({"type": "string", "format": "date"}), "date"),
            (json!({"type": "string", "format": "date-time"}), "timestamptz"),
            (
                json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"}),
                "timestamptz",
            ),
            (
                json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"}),
                "timestamp",
            ),
            (json!({"type": "string", "format": "time", "airbyte_type": "time_without_timezone"}), "time"),
            (json!({"type": "string", "format": "time", "airbyte_type": "time_with_timezone"}), "string"),
            (json!({"type": "string", "contentEncoding": "base64"}), "binary"),
            (json!({"type": ["string", "integer"]}), "string"),
            (json!({"type": "array", "items": {"type": "integer"}}), "list<long>"),
            (json!({"type": "array"}), "string"),
            (json!({"type": "array", "items": {}}), "string"),
            (json!({"type": "object"}), "string"),
            (json!({"type": "object", "additionalProperties": {"type": "integer"}}), "string"),
            (json!({"type": "object", "properties": {"b": {"type": "integer"}, "a": {}}}), "struct<a:string,b:long>"),
            (json!({"type": "object", "properties": {"x:y": {"type": "integer"}}}), "string"),
            (json!({"type": "object", "properties": {"a": {"type": "integer"}, "A": {"type": "integer"}}}), "string"),
            (json!({"anyOf": [{"type": "null"}, {"type": "string", "format": "date"}]}), "date"),
            (
                json!({"oneOf": [{"type": "string"}, {"type": "object", "properties": {"a": {"type": "integer"}}}]}),
                "string",
            ),
            (json!({"$ref": "#/definitions/day"}), "date"),
            (json!({"type": "null"}), "string"),
            (json!({}), "string"),
            (json!(true), "string"),
        ] {
            let root = json!({"definitions": {"day": {"type": "string", "format": "date"}}});
            assert_eq!(shape(&root, &schema).to_string(), expected, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends_as_text() {
        let root = json!({"definitions": {"node": {"type": "object", "properties": {"next": {"$ref": "#/definitions/node"}}}}});
        let text = shape(&root, &json!({"$ref": "#/definitions/node"})).to_string();
        assert!(text.contains("next:string") && text.len() < 200, "{text}");
        let root = json!({"definitions": {"a": {"$ref": "#/definitions/a"}}});
        assert_eq!(shape(&root, &json!({"$ref": "#/definitions/a"})), Shape::Text);
    }
}
