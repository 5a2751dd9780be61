//! `${name}` in the texts of a step: the run's date and the pipeline's parameters. `$${` is `${` itself.
//!
//! Replaced in every text of what the step is given, but for a training script, which has a language of its own.

use std::collections::BTreeMap;

use asgard_contract::{Error, Result};
use chrono::{Days, NaiveDate};
use serde_json::Value;

/// Of a deployment: not touched.
const SCRIPT: &str = "script_content";

/// What the names stand for.
#[derive(Debug, Clone)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// `date` and `next_date` are ISO 8601; parameters may not have these names.
    pub(super) fn of(date: NaiveDate, parameters: &BTreeMap<String, String>) -> Self {
        let mut names = parameters.clone();
        names.insert("date".to_owned(), date.to_string());
        let next = date.checked_add_days(Days::new(1)).unwrap_or(date);
        names.insert("next_date".to_owned(), next.to_string());
        Self(names)
    }

    /// The value with all names replaced. `field` is where it is in the request.
    ///
    /// # Errors
    /// `invalid-input` for a name that stands for nothing.
    pub(super) fn put_into(&self, value: &Value, field: &str) -> Result<Value> {
        Ok(match value {
            Value::String(text) => Value::String(self.replaced(text).map_err(|what| Error::invalid(field, what))?),
            Value::Array(items) => {
                let item = |(index, item): (usize, &Value)| self.put_into(item, &format!("{field}[{index}]"));
                Value::Array(items.iter().enumerate().map(item).collect::<Result<_>>()?)
            }
            Value::Object(fields) => {
                let one = |(name, value): (&String, &Value)| {
                    let value =
                        if name == SCRIPT { value.clone() } else { self.put_into(value, &format!("{field}.{name}"))? };
                    Ok((name.clone(), value))
                };
                Value::Object(fields.iter().map(one).collect::<Result<_>>()?)
            }
            other => other.clone(),
        })
    }

    fn replaced(&self, text: &str) -> std::result::Result<String, String> {
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = &from[2..];
                continue;
            }
            out.push_str(before);
            let (name, after) = from[2..].split_once('}').ok_or_else(|| "`${` without a `}`".to_owned())?;
            let value = self.0.get(name).ok_or_else(|| {
                let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
                format!(
                    "`${{{name}}}` stands for nothing: there are {}; add it to `parameters`, or write `$${{`",
                    known.join(", ")
                )
            })?;
            out.push_str(value);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_replaced_in_every_text_but_the_script() {
        let names = Names::of(
            NaiveDate::from_ymd_opt(2024, 2, 28).unwrap(),
            &BTreeMap::from([("region".to_owned(), "north".to_owned())]),
        );
        let given = json!({"sql": "WHERE d >= '${date}' AND d < '${next_date}' AND r = '${region}'", "n": 1,
            "tags": ["${region}", "$${date}"], "script_content": "print(f\"${x}\")"});
        let put = names.put_into(&given, "with").unwrap();
        assert_eq!(
            put,
            json!({"sql": "WHERE d >= '2024-02-28' AND d < '2024-02-29' AND r = 'north'", "n": 1,
                "tags": ["north", "${date}"], "script_content": "print(f\"${x}\")"})
        );
        for (text, told) in [("${nothing}", "`${nothing}` stands for nothing"), ("${open", "without a `}`")] {
            let error = names.put_into(&json!({"a": [text]}), "with").unwrap_err();
            assert!(
                matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == "with.a[0]"),
                "{error:?}"
            );
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}
