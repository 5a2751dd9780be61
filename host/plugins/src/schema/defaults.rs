//! Fills defaults into a value, by the schema's `default`s.
//!
//! Only properties of objects that are there get a default: an object that is optional and missing stays so. Under `oneOf`
//! and `anyOf` the branch decides whose constants the value has.

use serde_json::Value;

/// Deeper schemas refer to themselves.
const DEPTH: usize = 32;

pub(super) fn fill(schema: &Value, value: &Value) -> Value {
    let mut value = value.clone();
    fill_in(schema, schema, &mut value, DEPTH);
    value
}

fn fill_in(root: &Value, schema: &Value, value: &mut Value, depth: usize) {
    let (Some(keywords), Some(depth)) = (schema.as_object(), depth.checked_sub(1)) else { return };
    if let Some(target) = keywords.get("$ref").and_then(Value::as_str).and_then(|reference| local(root, reference)) {
        fill_in(root, target, value, depth);
    }
    if let (Some(properties), Some(object)) =
        (keywords.get("properties").and_then(Value::as_object), value.as_object_mut())
    {
        for (name, property) in properties {
            if !object.contains_key(name)
                && let Some(default) = property.get("default")
            {
                object.insert(name.clone(), default.clone());
            }
            if let Some(present) = object.get_mut(name) {
                fill_in(root, property, present, depth);
            }
        }
    }
    if let (Some(items), Some(elements)) = (keywords.get("items"), value.as_array_mut()) {
        for element in elements {
            fill_in(root, items, element, depth);
        }
    }
    for branch in keywords.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        fill_in(root, branch, value, depth);
    }
    for keyword in ["oneOf", "anyOf"] {
        let branches = keywords.get(keyword).and_then(Value::as_array);
        if let Some(branch) = branches.and_then(|branches| branches.iter().find(|branch| meant(root, branch, value))) {
            fill_in(root, branch, value, depth);
        }
    }
}

/// Whether a branch is the one that the value is of: all its constants are there as they should be.
fn meant(root: &Value, branch: &Value, value: &Value) -> bool {
    let branch =
        branch.get("$ref").and_then(Value::as_str).and_then(|reference| local(root, reference)).unwrap_or(branch);
    let Some(properties) = branch.get("properties").and_then(Value::as_object) else { return false };
    let mut constants =
        properties.iter().filter_map(|(name, property)| Some((name, property.get("const")?))).peekable();
    constants.peek().is_some() && constants.all(|(name, constant)| value.get(name) == Some(constant))
}

/// The target of `#/$defs/name`.
fn local<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}
