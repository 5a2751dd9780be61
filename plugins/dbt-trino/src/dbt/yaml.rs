//! YAML in block style. Texts are written as JSON has them, which YAML reads alike.

use asgard_sdk::json::Value;

/// A document.
pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                out.push_str(&indent);
                out.push_str(&key(name));
                out.push(':');
                nested(inner, depth + 1, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&indent);
                match item {
                    Value::Object(fields) if !fields.is_empty() => {
                        let mut inner = String::new();
                        block(item, depth + 1, &mut inner);
                        // The first line takes the dash into its indentation.
                        out.push_str("- ");
                        out.push_str(inner.trim_start());
                    }
                    other => {
                        out.push_str("- ");
                        out.push_str(&other.to_string());
                        out.push('\n');
                    }
                }
            }
        }
        scalar => {
            out.push_str(&scalar.to_string());
            out.push('\n');
        }
    }
}

fn nested(value: &Value, depth: usize, out: &mut String) {
    let empty = match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    };
    if empty {
        out.push(' ');
        out.push_str(&value.to_string());
        out.push('\n');
    } else {
        out.push('\n');
        block(value, depth, out);
    }
}

fn key(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '+')
        && name.chars().all(|each| each.is_ascii_alphanumeric() || "_-+".contains(each))
        // Words that YAML 1.1 takes for something else.
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&name.to_ascii_lowercase().as_str());
    if plain { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use asgard_sdk::json::json;

    use super::*;

    #[test]
    fn documents_are_written_as_people_write_them() {
        let value = json!({
            "name": "asgard",
            "vars": {},
            "on": 1,
            "models": {"asgard": {"+materialized": "table"}},
            "sources": [{"name": "silver", "tables": [{"name": "a: b"}, {"name": "c"}]}],
            "tags": ["x", "#y"],
        });
        let expected = r##"name: "asgard"
vars: {}
"on": 1
models:
  asgard:
    +materialized: "table"
sources:
  - name: "silver"
    tables:
      - name: "a: b"
      - name: "c"
tags:
  - "x"
  - "#y"
"##;
        let mut lines: Vec<String> = document(&value).lines().map(str::to_owned).collect();
        let mut known: Vec<String> = expected.lines().map(str::to_owned).collect();
        // Objects are sorted by name or not, by how the JSON library was built.
        lines.sort();
        known.sort();
        assert_eq!(lines, known);
    }
}
