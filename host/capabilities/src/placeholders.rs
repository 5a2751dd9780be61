//! `${services.NAME.url}` and `${services.NAME.address}` in the configuration of a binding.

use asgard_contract::{Error, Result};
use serde_json::Value;

const START: &str = "${services.";

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// `http://127.0.0.1:PORT`
    Url,
    /// `127.0.0.1:PORT`
    Address,
}

/// The names of the services that `configuration` refers to, in its order.
///
/// # Errors
/// `invalid-input` with the field of a placeholder that cannot be read.
pub(crate) fn services(configuration: &Value) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut note = |name: &str| {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        Ok(0)
    };
    replace(&mut configuration.clone(), &mut note, "configuration")?;
    Ok(names)
}

/// The configuration with each service's port filled in.
///
/// # Errors
/// As [`services`], and those of `port`.
pub(crate) fn fill(configuration: &Value, port: &mut impl FnMut(&str) -> Result<u16>) -> Result<Value> {
    let mut filled = configuration.clone();
    replace(&mut filled, port, "configuration")?;
    Ok(filled)
}

fn replace(value: &mut Value, port: &mut impl FnMut(&str) -> Result<u16>, field: &str) -> Result<()> {
    match value {
        Value::String(text) if text.contains(START) => *text = replaced(text, port, field)?,
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                replace(item, port, &format!("{field}[{index}]"))?;
            }
        }
        Value::Object(fields) => {
            for (name, inner) in fields {
                replace(inner, port, &format!("{field}.{name}"))?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn replaced(text: &str, port: &mut impl FnMut(&str) -> Result<u16>, field: &str) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(START) {
        let (name, part, after) = parse(after).ok_or_else(|| {
            let message = "a placeholder is `${services.NAME.url}` or `${services.NAME.address}`";
            Error::invalid(field, format!("`{text}` cannot be read: {message}"))
        })?;
        let port = port(name).map_err(|error| match error {
            Error::NotFound { message } => Error::invalid(field, message),
            other => other,
        })?;
        filled.push_str(before);
        if part == Part::Url {
            filled.push_str("http://");
        }
        filled.push_str(&format!("127.0.0.1:{port}"));
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn parse(text: &str) -> Option<(&str, Part, &str)> {
    let (inside, after) = text.split_once('}')?;
    // A service's name may have dots in it.
    let (name, part) = inside.rsplit_once('.')?;
    let part = match part {
        "url" => Part::Url,
        "address" => Part::Address,
        _ => return None,
    };
    (!name.is_empty()).then_some((name, part, after))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_found_and_filled_wherever_they_stand() {
        let configuration = json!({
            "tracking_uri": "${services.mlflow.url}",
            "list": [{"at": "x ${services.a.b.address}/y ${services.mlflow.url}!"}],
            "other": "${HOME} ${service} $",
            "number": 1,
        });
        assert_eq!(services(&configuration).unwrap(), ["a.b", "mlflow"]);
        let filled = fill(&configuration, &mut |name| Ok(if name == "mlflow" { 5000 } else { 6000 })).unwrap();
        assert_eq!(
            filled,
            json!({
                "tracking_uri": "http://127.0.0.1:5000",
                "list": [{"at": "x 127.0.0.1:6000/y http://127.0.0.1:5000!"}],
                "other": "${HOME} ${service} $",
                "number": 1,
            })
        );
    }

    #[test]
    fn what_cannot_be_filled_is_refused_with_its_field() {
        for text in ["${services.mlflow}", "${services.mlflow.port}", "${services..url}", "${services.mlflow.url"] {
            let error = services(&json!({"a": ["", text]})).unwrap_err();
            assert!(
                matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == "configuration.a[1]"),
                "{error:?}"
            );
        }
        let error = fill(&json!({"a": "${services.x.url}"}), &mut |_| Err(Error::not_found("no `x`"))).unwrap_err();
        assert!(matches!(error, Error::InvalidInput { field: Some(field), .. } if field == "configuration.a"));
    }
}
