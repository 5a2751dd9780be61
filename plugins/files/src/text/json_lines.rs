//! JSON lines: one object a line.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::opening::Guarded;
use super::{Allowance, Place, Rows, Take, Value};
use crate::fault::Fault;

/// Rows of a file of JSON lines.
pub struct JsonRows {
    reader: BufReader<Guarded>,
    allowance: Allowance,
    line: Vec<u8>,
    names: Vec<String>,
    places: HashMap<String, usize>,
    read: u64,
    lines: u64,
}

impl JsonRows {
    /// Reads from `offset` bytes into the text on, where line `line` (from 1) begins.
    pub fn new(text: impl Read + 'static, offset: u64, line: u64) -> Self {
        let allowance = Allowance::default();
        Self {
            reader: BufReader::with_capacity(64 << 10, Guarded::new(Box::new(text), allowance.clone())),
            allowance,
            line: Vec::new(),
            names: Vec::new(),
            places: HashMap::new(),
            read: offset,
            lines: line.saturating_sub(1),
        }
    }
}

impl Rows for JsonRows {
    fn next(&mut self, take: &mut Take<'_>) -> Result<Option<Place>, Fault> {
        loop {
            self.line.clear();
            self.allowance.renew();
            let line = self.lines + 1;
            let read = self.reader.read_until(b'\n', &mut self.line).map_err(|error| match Fault::from(error) {
                Fault::Content(message) => Fault::content(format!("line {line}: {message}")),
                location => location,
            })?;
            if read == 0 {
                return Ok(None);
            }
            self.lines = line;
            let starts = self.read == 0;
            self.read += read as u64;
            let mut bytes = self.line.as_slice();
            if starts {
                bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            }
            let text = std::str::from_utf8(bytes)
                .map_err(|_| Fault::content(format!("line {line} is no UTF-8: convert the file (`iconv -t utf-8`)")))?;
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            if !text.starts_with('{') {
                let advice = if text.starts_with('[') {
                    ": a list is none (`jq -c '.[]'` makes lines of its elements)"
                } else {
                    ""
                };
                let shown: String = text.chars().take(40).collect();
                return Err(Fault::content(format!(
                    "line {line}: expected one JSON object a line, found `{shown}`{advice}"
                )));
            }
            let object: Object<'_> = serde_json::from_str(text)
                .map_err(|error| Fault::content(format!("line {line}, character {}: {error}", error.column())))?;
            for (index, (name, raw)) in object.0.iter().enumerate() {
                if object.0.iter().take(index).any(|(other, _)| other == name) {
                    return Err(Fault::content(format!("line {line}: the object has `{name}` twice")));
                }
                let place = match self.places.get(name.as_ref()) {
                    Some(place) => *place,
                    None => {
                        let place = self.names.len();
                        self.names.push(name.clone().into_owned());
                        self.places.insert(name.clone().into_owned(), place);
                        place
                    }
                };
                take(place, name, value(raw, line)?)?;
            }
            return Ok(Some(Place { line, end: self.read, next_line: line + 1 }));
        }
    }

    fn names(&self) -> &[String] {
        &self.names
    }
}

fn value(raw: &RawValue, line: u64) -> Result<Value<'_>, Fault> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::JsonBoolean(true),
        Some(b'f') => Value::JsonBoolean(false),
        Some(b'"') => {
            let wrong = |error: serde_json::Error| Fault::content(format!("line {line}: {error}"));
            Value::JsonString(serde_json::from_str::<Text<'_>>(text).map_err(wrong)?.0)
        }
        Some(b'{' | b'[') => Value::JsonNested(text),
        _ => Value::JsonNumber(text),
    })
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The fields of an object in their order, their values as they are written.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    fields.push((name.0, value));
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &'static str) -> String {
        let mut rows = JsonRows::new(text.as_bytes(), 0, 1);
        let mut all = Vec::new();
        loop {
            let mut row = Vec::new();
            let mut take = |index: usize, _: &str, value: Value<'_>| {
                row.push((index, format!("{value:?}")));
                Ok(())
            };
            match rows.next(&mut take) {
                Ok(Some(place)) => {
                    let fields: Vec<String> =
                        row.iter().map(|(index, value)| format!("{}={value}", rows.names()[*index])).collect();
                    all.push(format!("{}:{}", place.line, fields.join(" ")));
                }
                Ok(None) => return all.join(" | "),
                Err(Fault::Content(message)) => return message,
                Err(other) => return format!("{other:?}"),
            }
        }
    }

    #[test]
    fn objects_are_read_as_they_are_written() {
        for (text, expected) in [
            ("{\"a\":1,\"b\":null}\n\n{\"b\":true}\r\n", "1:a=JsonNumber(\"1\") b=Null | 3:b=JsonBoolean(true)"),
            ("\u{FEFF}{\"a\":\"\\u00fc\\n\"}", "1:a=JsonString(\"ü\\n\")"),
            ("{\"a\":123456789012345678901234567890}", "1:a=JsonNumber(\"123456789012345678901234567890\")"),
            ("{\"a\":{\"b\" : [1,2]},\"c\":[]}", "1:a=JsonNested(\"{\\\"b\\\" : [1,2]}\") c=JsonNested(\"[]\")"),
            ("{}", "1:"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn a_line_that_is_no_object_is_told() {
        for (text, expected) in [
            ("{\"a\":1}\n[1]\n", "line 2: expected one JSON object a line, found `[1]`: a list is none"),
            ("{\"a\":1}\n{\"a\":\n", "line 2, character"),
            ("{\"a\":1,\"a\":2}", "line 1: the object has `a` twice"),
            ("{\"a\":NaN}", "line 1, character"),
            ("a,b\n", "line 1: expected one JSON object"),
        ] {
            let found = shown(text);
            assert!(found.contains(expected), "{found}");
        }
    }
}
