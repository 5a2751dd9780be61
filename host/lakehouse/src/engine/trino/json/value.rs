//! JSON as Trino reads and writes it. Numbers keep their text, so a whole number of any size stays what it was.

use crate::engine::cast::java_double;

/// Deeper values are no JSON here: they would cost more stack than a statement's thread has.
const DEPTH_AT_MOST: usize = 500;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Truth(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    /// As written: a key may come twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// None: it is no JSON.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let value = reader.value(0)?;
        reader.blank();
        reader.rest.is_empty().then_some(value)
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
            Self::Text(text) => quote(text, out),
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
                    quote(key, out);
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

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            other if u32::from(other) < 0x20 => out.push_str(&format!("\\u{:04X}", u32::from(other))),
            other => out.push(other),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > DEPTH_AT_MOST {
            return None;
        }
        self.blank();
        match self.rest.as_bytes().first()? {
            b'n' => self.take("null").map(|()| Json::Null),
            b't' => self.take("true").map(|()| Json::Truth(true)),
            b'f' => self.take("false").map(|()| Json::Truth(false)),
            b'"' => self.text().map(Json::Text),
            b'[' => self.list(depth),
            b'{' => self.object(depth),
            _ => self.number(),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        self.take("[")?;
        let mut items = Vec::new();
        self.blank();
        if self.take("]").is_some() {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blank();
            if self.take("]").is_some() {
                return Some(Json::List(items));
            }
            self.take(",")?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.take("{")?;
        let mut fields = Vec::new();
        self.blank();
        if self.take("}").is_some() {
            return Some(Json::Object(fields));
        }
        loop {
            self.blank();
            let key = self.text()?;
            self.blank();
            self.take(":")?;
            fields.push((key, self.value(depth + 1)?));
            self.blank();
            if self.take("}").is_some() {
                return Some(Json::Object(fields));
            }
            self.take(",")?;
        }
    }

    /// `-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?`
    fn number(&mut self) -> Option<Json> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut at = usize::from(bytes.first() == Some(&b'-'));
        let whole = digits(at);
        if whole == 0 || (whole > 1 && bytes[at] == b'0') {
            return None;
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == 0 {
                return None;
            }
            at += 1 + fraction;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at + 1 + sign);
            if exponent == 0 {
                return None;
            }
            at += 1 + sign + exponent;
        }
        let (number, rest) = self.rest.split_at(at);
        self.rest = rest;
        Some(Json::Number(number.to_owned()))
    }

    fn text(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut out = String::new();
        loop {
            let letter = self.letter()?;
            match letter {
                '"' => return Some(out),
                '\\' => out.push(match self.letter()? {
                    '"' => '"',
                    '\\' => '\\',
                    '/' => '/',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => self.escaped()?,
                    _ => return None,
                }),
                control if u32::from(control) < 0x20 => return None,
                other => out.push(other),
            }
        }
    }

    fn letter(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let letter = letters.next()?;
        self.rest = letters.as_str();
        Some(letter)
    }

    /// Four digits of a 16-bit unit; two of them where one is not enough.
    fn escaped(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            // Half of a letter alone is no text here.
            return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.take("\\u")?;
        let second = self.unit()?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let unit = u32::from_str_radix(digits, 16).ok()?;
        self.rest = &self.rest[4..];
        Some(unit)
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
