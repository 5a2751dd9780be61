//! Paths into JSON: `$.a["b c"][0]` of `json_extract`, and the lax paths of SQL's own `json_value`.
//!
//! Wildcards, filters and descents are refused.

use datafusion::common::{Result, exec_err};

use super::value::Json;

/// One step: a field's name, or an element's place, which Trino does not tell apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq)]
struct Step {
    name: String,
    in_brackets: bool,
}

impl Step {
    fn place(&self) -> Option<usize> {
        self.name.bytes().all(|byte| byte.is_ascii_digit()).then(|| self.name.parse().ok()).flatten()
    }
}

impl Path {
    /// `$.a.b[0]["c"]`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        match steps(text) {
            Some(steps) => Ok(Self(steps)),
            None => exec_err!("'{text}' is no JSON path that is supported: write it as $.name, $[0] or $[\"name\"]"),
        }
    }

    /// Of SQL's own functions: `lax $.a.b[0]`.
    pub(super) fn parse_lax(text: &str) -> Result<Self> {
        match text.trim().strip_prefix("lax ") {
            Some(path) => Self::parse(path.trim()),
            None => exec_err!("'{text}' is no JSON path that is supported: write it as 'lax $.name[0]'"),
        }
    }

    /// What `json_extract` finds: the first field of that name, or the element at that place.
    pub(super) fn find<'j>(&self, json: &'j Json) -> Option<&'j Json> {
        self.0.iter().try_fold(json, |at, step| match at {
            Json::Object(fields) => fields.iter().find(|(name, _)| *name == step.name).map(|(_, value)| value),
            Json::List(items) => items.get(step.place()?),
            _ => None,
        })
    }

    /// What a lax path finds: lists are opened where a field is asked for, and a value is a list of itself.
    pub(super) fn find_lax<'j>(&self, json: &'j Json) -> Vec<&'j Json> {
        let mut found = vec![json];
        for step in &self.0 {
            found = match step.place().filter(|_| step.in_brackets) {
                Some(place) => found
                    .into_iter()
                    .filter_map(|at| match at {
                        Json::List(items) => items.get(place),
                        other => (place == 0).then_some(other),
                    })
                    .collect(),
                None => {
                    let opened = found.into_iter().flat_map(|at| match at {
                        Json::List(items) => items.iter().collect(),
                        other => vec![other],
                    });
                    let fields = opened.filter_map(|at| match at {
                        Json::Object(fields) => {
                            fields.iter().find(|(name, _)| *name == step.name).map(|(_, value)| value)
                        }
                        _ => None,
                    });
                    fields.collect()
                }
            };
        }
        found
    }
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (name, after) = bracketed(inside)?;
            rest = after.strip_prefix(']')?;
            steps.push(Step { name, in_brackets: true });
        } else {
            let named = rest.strip_prefix('.')?;
            if let Some(quoted) = named.strip_prefix('"') {
                let (name, after) = until(quoted, '"')?;
                rest = after;
                steps.push(Step { name, in_brackets: false });
                continue;
            }
            let end = named.find(|letter| !is_plain(letter)).unwrap_or(named.len());
            if end == 0 {
                return None;
            }
            let (name, after) = named.split_at(end);
            rest = after;
            steps.push(Step { name: name.to_owned(), in_brackets: false });
        }
    }
    Some(steps)
}

fn bracketed(inside: &str) -> Option<(String, &str)> {
    for quote in ['"', '\''] {
        if let Some(quoted) = inside.strip_prefix(quote) {
            return until(quoted, quote);
        }
    }
    let end = inside.find(']')?;
    let (name, after) = inside.split_at(end);
    let is_place = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    is_place.then(|| (name.to_owned(), after))
}

/// Up to the closing quote; a backslash takes the next letter as it is.
fn until(text: &str, quote: char) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut letters = text.chars();
    loop {
        match letters.next()? {
            '\\' => name.push(letters.next()?),
            letter if letter == quote => return Some((name, letters.as_str())),
            letter => name.push(letter),
        }
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-' | ':' | '/' | '@' | '|' | '#' | '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_fields_and_elements() {
        let json = Json::parse(r#"{"a": [{"b c": 1}, {"b c": 2}], "x.y": {"z": null}}"#).unwrap();
        for (path, found) in [
            ("$.a[1][\"b c\"]", Some("2")),
            ("$.a[0]['b c']", Some("1")),
            ("$[\"x.y\"].z", Some("null")),
            ("$.a[2]", None),
            ("$.a.b", None),
            ("$.nothing", None),
        ] {
            assert_eq!(Path::parse(path).unwrap().find(&json).map(Json::written).as_deref(), found, "{path}");
        }
        for path in ["a", "$..a", "$.a[*]", "$.*", "$.a[?(@.b)]", "$[-1]", "$.a[", ""] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
        let lax = Path::parse_lax("lax $.a.\"b c\"").unwrap();
        assert_eq!(lax.find_lax(&json), [&Json::Number("1".into()), &Json::Number("2".into())]);
    }
}
