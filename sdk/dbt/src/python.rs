//! What dbt adds to Jinja of Python: JSON as Python writes it, `zip`, `set`, and filters that change nothing in a text.

use std::fmt::Write as _;

use asgard_sdk::json::{self, Value as Json};
use minijinja::Environment;
use minijinja::value::{Kwargs, Rest, Value, ValueKind};

use crate::context::{JinjaResult, from_json, invalid};

pub(crate) fn add(jinja: &mut Environment<'_>) {
    jinja.add_function("tojson", |value: &Value, _: Option<Value>, options: Kwargs| {
        let sorted = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
        written(value, sorted)
    });
    jinja.add_function("fromjson", |text: &str, default: Option<Value>| {
        json::from_str::<Json>(text).map_or_else(|_| default.unwrap_or(Value::from(())), |value| from_json(&value))
    });
    jinja.add_function("zip", |lists: Rest<Value>| zipped(&lists));
    jinja.add_function("set", |list: &Value| {
        let mut members: Vec<Value> = Vec::new();
        for each in list.try_iter()? {
            if !members.contains(&each) {
                members.push(each);
            }
        }
        Ok::<_, minijinja::Error>(members)
    });
    // Safe to put into HTML, as Jinja has it, and sorted.
    jinja.add_filter("tojson", |value: &Value| {
        let text = written(value, true)?;
        let text = [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\'', "\\u0027")]
            .into_iter()
            .fold(text, |text, (character, escape)| text.replace(character, escape));
        Ok::<_, minijinja::Error>(text)
    });
    for name in ["as_text", "as_bool", "as_number", "as_native"] {
        jinja.add_filter(name, |value: Value| value);
    }
}

fn zipped(lists: &[Value]) -> JinjaResult<Vec<Value>> {
    let lists: Vec<Vec<Value>> =
        lists.iter().map(|list| list.try_iter().map(Iterator::collect)).collect::<JinjaResult<_>>()?;
    let shortest = lists.iter().map(Vec::len).min().unwrap_or_default();
    let row = |index: usize| lists.iter().filter_map(|list| list.get(index).cloned()).collect::<Vec<_>>();
    Ok((0..shortest).map(|index| Value::from(row(index))).collect())
}

/// As Python's `json.dumps` writes it: a space behind commas and colons, and nothing beyond ASCII.
fn written(value: &Value, sorted: bool) -> JinjaResult<String> {
    Ok(match value.kind() {
        ValueKind::None | ValueKind::Undefined => "null".to_owned(),
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Number => value.to_string(),
        ValueKind::String => text(value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            let members: Vec<String> =
                value.try_iter()?.map(|each| written(&each, sorted)).collect::<JinjaResult<_>>()?;
            format!("[{}]", members.join(", "))
        }
        ValueKind::Map => {
            let mut members = Vec::new();
            for key in value.try_iter()? {
                members.push((text(&key.to_string()), written(&value.get_item(&key)?, sorted)?));
            }
            if sorted {
                members.sort();
            }
            let members: Vec<String> = members.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", members.join(", "))
        }
        kind => return Err(invalid(format!("a {kind} cannot be written as JSON"))),
    })
}

fn text(text: &str) -> String {
    let quoted = Json::from(text).to_string();
    let mut ascii = String::with_capacity(quoted.len());
    for character in quoted.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a text cannot fail.
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}
