//! Values of two engines, compared by what they say.

use serde_json::Value;

/// Whether a value of ours is what the real engine said.
pub(crate) fn is(ours: &Value, right: &Value) -> bool {
    match (ours, right) {
        (Value::Null, Value::Null) => true,
        (Value::Array(ours), Value::Array(right)) => {
            ours.len() == right.len() && ours.iter().zip(right).all(|(ours, right)| is(ours, right))
        }
        (Value::Object(ours), Value::Object(right)) => {
            if let Some(pairs) = right.get("map").and_then(Value::as_array) {
                let is_there = |pair: &Value| {
                    let found = ours.iter().find(|(key, _)| is(&Value::String((*key).clone()), &pair[0]));
                    found.is_some_and(|(_, value)| is(value, &pair[1]))
                };
                return ours.len() == pairs.len() && pairs.iter().all(is_there);
            }
            let fields = right.get("struct").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            // An object's members have no order; the order of fields is their type's.
            let is_there = |field: &Value| {
                let found = field[0].as_str().and_then(|name| ours.get(name));
                found.is_some_and(|value| is(value, &field[1]))
            };
            ours.len() == fields.len() && fields.iter().all(is_there)
        }
        (Value::Bool(ours), Value::String(right)) => ours.to_string() == *right,
        (Value::Number(ours), Value::String(right)) => ours.to_string() == *right || is_close(&ours.to_string(), right),
        (Value::String(ours), Value::String(right)) => {
            ours == right || is_same_time(ours, right) || is_close(ours, right) || is_no_number(ours, right)
        }
        _ => false,
    }
}

/// Numbers of two libraries differ in their last digit. An infinity is near to nothing but itself.
fn is_close(ours: &str, right: &str) -> bool {
    let (Ok(ours), Ok(right)) = (ours.parse::<f64>(), right.parse::<f64>()) else { return false };
    let difference = (ours - right).abs();
    ours == right || difference.is_finite() && difference <= 1e-13 * right.abs().max(ours.abs())
}

/// JSON has no number for these: they are told as texts.
fn is_no_number(ours: &str, right: &str) -> bool {
    matches!((ours, right), ("NaN", "nan") | ("Infinity", "inf") | ("-Infinity", "-inf"))
}

/// `2024-01-01T00:00:00.500Z` is `2024-01-01T00:00:00.5Z`.
fn is_same_time(ours: &str, right: &str) -> bool {
    let plain = |text: &str| {
        let (text, zone) = text.strip_suffix('Z').map_or((text, ""), |text| (text, "Z"));
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}.{}{zone}", part.trim_end_matches('0'))
    };
    let is_time = |text: &str| text.as_bytes().get(10) == Some(&b'T');
    is_time(ours) && is_time(right) && plain(ours) == plain(right)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_compared_by_what_they_say() {
        for (ours, right, same) in [
            (json!(1), json!("1"), true),
            (json!(1.5), json!("1.50"), true),
            (json!(0.1), json!("0.2"), false),
            (json!("NaN"), json!("nan"), true),
            (json!("-Infinity"), json!("inf"), false),
            (json!(null), json!("nan"), false),
            (json!(null), json!(null), true),
            (json!("a"), json!("a"), true),
            (json!("2024-01-01T00:00:00.500Z"), json!("2024-01-01T00:00:00.5Z"), true),
            (json!("2024-01-01T00:00:00.500Z"), json!("2024-01-01T00:00:00.5"), false),
            (json!({"a": 1}), json!({"map": [["a", "1"]]}), true),
            (json!({"a": 1}), json!({"struct": [["b", "1"]]}), false),
            (json!({"a": 1, "b": 2}), json!({"struct": [["b", "2"], ["a", "1"]]}), true),
            (json!([1, null]), json!(["1", null]), true),
        ] {
            assert_eq!(is(&ours, &right), same, "{ours} {right}");
        }
    }
}
