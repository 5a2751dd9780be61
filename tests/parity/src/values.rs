//! Values of two engines, compared by what they say.

use serde_json::Value;

use crate::kinds::{inside, split};

/// Whether a value of ours, of a type by our name for it, is what the real engine said.
pub(crate) fn is(ours: &Value, right: &Value, kind: &str) -> bool {
    match (ours, right) {
        (Value::Null, Value::Null) => true,
        (Value::Array(ours), Value::Array(right)) => {
            let kind = inside(kind, "list").unwrap_or_default();
            ours.len() == right.len() && ours.iter().zip(right).all(|(ours, right)| is(ours, right, kind))
        }
        (Value::Object(ours), Value::Object(right)) => {
            if let Some(pairs) = right.get("map").and_then(Value::as_array) {
                let kinds = split(inside(kind, "map").unwrap_or_default());
                let [keys, values] = kinds[..] else { return false };
                let is_there = |pair: &Value| {
                    let found = ours.iter().find(|(key, _)| is(&Value::String((*key).clone()), &pair[0], keys));
                    found.is_some_and(|(_, value)| is(value, &pair[1], values))
                };
                return ours.len() == pairs.len() && pairs.iter().all(is_there);
            }
            let fields = right.get("struct").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let kinds = split(inside(kind, "struct").unwrap_or_default());
            // An object's members have no order; the order of fields is their type's.
            let is_there = |(field, kind): (&Value, &str)| {
                let found = field[0].as_str().and_then(|name| ours.get(name));
                let kind = kind.split_once(':').map_or(kind, |(_, kind)| kind);
                found.is_some_and(|value| is(value, &field[1], kind))
            };
            ours.len() == fields.len() && fields.iter().zip(kinds).all(is_there)
        }
        (Value::Bool(ours), Value::String(right)) => ours.to_string() == *right,
        (Value::Number(ours), Value::String(right)) => says(&ours.to_string(), right, kind),
        (Value::String(ours), Value::String(right)) => says(ours, right, kind),
        _ => false,
    }
}

fn says(ours: &str, right: &str, kind: &str) -> bool {
    match kind.split('(').next() {
        Some("float" | "double") => is_close(ours, right),
        Some("decimal") => exact(ours) == exact(right),
        Some("timestamp" | "timestamptz") => ours == right || is_same_time(ours, right),
        _ => ours == right,
    }
}

/// Numbers of two libraries differ in their last digit. What is no number, or infinite, is near to nothing but itself.
fn is_close(ours: &str, right: &str) -> bool {
    let (Ok(ours), Ok(right)) = (ours.parse::<f64>(), right.parse::<f64>()) else { return false };
    let difference = (ours - right).abs();
    ours == right
        || ours.is_nan() && right.is_nan()
        || difference.is_finite() && difference <= 1e-13 * right.abs().max(ours.abs())
}

/// A decimal with the digits that count: `1.50` is `1.5`, as a number of JSON has it. One with an exponent is such a number too.
fn exact(decimal: &str) -> String {
    let plain = match decimal.parse::<f64>() {
        Ok(number) if decimal.contains(['e', 'E']) => number.to_string(),
        _ => decimal.to_owned(),
    };
    if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.').to_owned() } else { plain }
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
        for (ours, right, kind, same) in [
            (json!(1), json!("1"), "int", true),
            (json!(1), json!("1.0"), "int", false),
            (json!(9_007_199_254_740_993_i64), json!("9007199254740992"), "long", false),
            (json!(1.5), json!("1.50"), "double", true),
            (json!(0.1), json!("0.2"), "double", false),
            (json!(0.300_000_000_000_000_04), json!("0.3"), "double", true),
            (json!(0.300_000_000_000_000_04), json!("0.3"), "decimal(17,17)", false),
            (json!(1.5), json!("1.50"), "decimal(3,2)", true),
            (json!(1e-7), json!("0.0000001"), "decimal(7,7)", true),
            (json!("12345678901234567890.10"), json!("12345678901234567890.11"), "decimal(22,2)", false),
            (json!("NaN"), json!("nan"), "double", true),
            (json!("-Infinity"), json!("-inf"), "float", true),
            (json!("-Infinity"), json!("inf"), "double", false),
            (json!("NaN"), json!("nan"), "string", false),
            (json!(null), json!("nan"), "double", false),
            (json!(null), json!(null), "string", true),
            (json!("a"), json!("a"), "string", true),
            (json!("007"), json!("7"), "string", false),
            (json!("1.50"), json!("1.5"), "string", false),
            (json!("2024-01-01T00:00:00.500Z"), json!("2024-01-01T00:00:00.5Z"), "timestamptz", true),
            (json!("2024-01-01T00:00:00.500Z"), json!("2024-01-01T00:00:00.5"), "timestamptz", false),
            (json!("2024-01-01T00:00:00.500"), json!("2024-01-01T00:00:00.5"), "string", false),
            (json!({"a": 1}), json!({"map": [["a", "1"]]}), "map<string,int>", true),
            (json!({"1.0": 2}), json!({"map": [["1.00", "2"]]}), "map<decimal(3,2),int>", true),
            (json!({"1.0": ["7"]}), json!({"map": [["1", ["07"]]]}), "map<double,list<string>>", false),
            (json!({"1.0": ["07"]}), json!({"map": [["1", ["07"]]]}), "map<double,list<string>>", true),
            (json!({"a": 1}), json!({"struct": [["b", "1"]]}), "struct<a:int>", false),
            (
                json!({"a": 1.0, "b": "2"}),
                json!({"struct": [["b", "2"], ["a", "1"]]}),
                "struct<b:string,a:double>",
                true,
            ),
            (
                json!({"a": 1.0, "b": "2"}),
                json!({"struct": [["b", "2.0"], ["a", "1"]]}),
                "struct<b:string,a:double>",
                false,
            ),
            (json!([1, null]), json!(["1", null]), "list<int>", true),
        ] {
            assert_eq!(is(&ours, &right, kind), same, "{ours} {right} {kind}");
        }
    }
}
