//! JSON as Trino reads and writes it. Numbers keep their text, so a whole number of any size stays what it was.

use crate::engine::cast::java_double;
use crate::engine::functions::documents::json::{Kind, Node, Rules, parse_whole, write_text};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Truth(bool),
    Number(String),
    /// Of a decimal, which keeps all its digits.
    Decimal(String),
    Text(String),
    List(Vec<Json>),
    /// As written: a key may come twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// None: it is no JSON.
    pub(super) fn parse(text: &str) -> Option<Self> {
        parse_whole(text, Rules::TRINO).map(Self::of)
    }

    fn of(node: Node<'_>) -> Self {
        match node.kind {
            Kind::Null => Self::Null,
            Kind::Truth(truth) => Self::Truth(truth),
            Kind::Number => Self::Number(node.raw.to_owned()),
            Kind::Text(text) => Self::Text(text),
            Kind::List(items) => Self::List(items.into_iter().map(Self::of).collect()),
            Kind::Object(members) => {
                Self::Object(members.into_iter().map(|(name, value)| (name, Self::of(value))).collect())
            }
        }
    }

    /// With sorted keys, each once: the last of them counts.
    pub(super) fn canonical(self) -> Self {
        match self {
            Self::List(items) => Self::List(items.into_iter().map(Self::canonical).collect()),
            Self::Object(fields) => {
                let mut kept: Vec<(String, Self)> = Vec::with_capacity(fields.len());
                for (key, value) in fields {
                    kept.push((key, value.canonical()));
                }
                // Stable: of equal keys the last stays last. Java compares texts by their 16-bit units.
                kept.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
                let mut fields: Vec<(String, Self)> = Vec::with_capacity(kept.len());
                for (key, value) in kept {
                    match fields.last_mut() {
                        Some(last) if last.0 == key => last.1 = value,
                        _ => fields.push((key, value)),
                    }
                }
                Self::Object(fields)
            }
            other => other,
        }
    }

    pub(super) fn is_scalar(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Object(_))
    }

    pub(super) fn written(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Truth(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Self::Number(digits) => out.push_str(&number(digits)),
            Self::Decimal(digits) => out.push_str(digits),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// Whether a number was written without a fraction or an exponent.
pub(super) fn is_whole(digits: &str) -> bool {
    !digits.contains(['.', 'e', 'E'])
}

/// A fraction is a double to Trino, written as Java writes one.
fn number(digits: &str) -> String {
    match digits.parse::<f64>() {
        Ok(value) if !is_whole(digits) && value.is_finite() => java_double(value),
        _ => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_strictly_and_written_as_trino_writes_it() {
        for (given, written) in [
            (r#" {"b": 1, "a": [1.50, true, null]} "#, Some(r#"{"a":[1.5,true,null],"b":1}"#)),
            (r#"{"a": 1, "a": 2}"#, Some(r#"{"a":2}"#)),
            (r#""\u00e9\ud83d\ude00\n""#, Some("\"é😀\\n\"")),
            ("1e10", Some("1.0E10")),
            ("12345678901234567890123", Some("12345678901234567890123")),
            ("01", None),
            ("1.", None),
            ("[1,]", None),
            ("{'a': 1}", None),
            ("1 2", None),
            ("", None),
            ("\"\t\"", None),
        ] {
            assert_eq!(Json::parse(given).map(|json| json.canonical().written()).as_deref(), written, "{given}");
        }
        assert_eq!(Json::parse(&"[".repeat(100_000)), None);
    }
}
