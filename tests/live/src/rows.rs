//! Answers of different engines in one form, so that they are equal when they mean the same.
//!
//! Types are in Iceberg's words, values in JSON: decimals, dates and times as text, times without zeros at the end of a
//! second's fraction, bytes in hexadecimal, structs and maps as objects.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What a statement answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Names and types.
    pub columns: Vec<(String, String)>,
    /// Values in the order of the columns.
    pub rows: Vec<Vec<Value>>,
}

impl Answer {
    /// Rows of equal content in any order are in one order.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.rows.sort_by_cached_key(|row| json!(row).to_string());
        self
    }

    /// The value of an answer of one row and one column.
    ///
    /// # Errors
    /// When it is another answer.
    pub fn single(&self) -> anyhow::Result<&Value> {
        match self.rows.as_slice() {
            [row] if row.len() == 1 => Ok(&row[0]),
            _ => anyhow::bail!("expected one value: {self:?}"),
        }
    }

    /// As Spark sees it, which has fewer types: a UUID is text, bytes of a fixed length are bytes.
    #[must_use]
    pub fn as_spark_has_it(self) -> Self {
        self.with_types(|name| match name {
            "uuid" => "string",
            _ => bytes_of_any_length(name),
        })
    }

    /// As Trino sees it: bytes of a fixed length are bytes.
    #[must_use]
    pub fn as_trino_has_it(self) -> Self {
        self.with_types(bytes_of_any_length)
    }

    fn with_types(mut self, other: fn(&str) -> &str) -> Self {
        for (_, of) in &mut self.columns {
            let simpler = Type::parse(of).map(|of| of.with_primitives(other).to_string());
            *of = simpler.unwrap_or_else(|| of.clone());
        }
        self
    }
}

/// Trino's word for bytes, which it writes in base 64.
pub(crate) const BASE64: &str = "varbinary";

/// A column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// One value, the type's name with all that belongs to it: `decimal(10,2)`.
    Primitive(String),
    /// Elements.
    List(Box<Self>),
    /// Keys and values.
    Map(Box<Self>, Box<Self>),
    /// Fields.
    Struct(Vec<(String, Self)>),
}

impl Type {
    /// Reads a type as the host writes it: `list<struct<a:int>>`.
    pub fn parse(text: &str) -> Option<Self> {
        let inner = |name: &str| text.strip_prefix(name)?.strip_prefix('<')?.strip_suffix('>');
        if let Some(element) = inner("list") {
            return Some(Self::List(Box::new(Self::parse(element)?)));
        }
        if let Some(entry) = inner("map") {
            let [key, value] = parts(entry)[..] else { return None };
            return Some(Self::Map(Box::new(Self::parse(key)?), Box::new(Self::parse(value)?)));
        }
        if let Some(fields) = inner("struct") {
            let field = |field: &str| {
                let (name, of) = field.split_once(':')?;
                Some((name.to_owned(), Self::parse(of)?))
            };
            return Some(Self::Struct(parts(fields).into_iter().map(field).collect::<Option<_>>()?));
        }
        Some(Self::Primitive(text.to_owned()))
    }

    fn with_primitives(&self, other: fn(&str) -> &str) -> Self {
        match self {
            Self::Primitive(name) => Self::Primitive(other(name).to_owned()),
            Self::List(element) => Self::List(Box::new(element.with_primitives(other))),
            Self::Map(key, value) => {
                Self::Map(Box::new(key.with_primitives(other)), Box::new(value.with_primitives(other)))
            }
            Self::Struct(fields) => {
                Self::Struct(fields.iter().map(|(name, of)| (name.clone(), of.with_primitives(other))).collect())
            }
        }
    }

    /// A value in the common form, from one of the spellings that JSON answers have.
    pub fn plain(&self, value: &Value) -> Value {
        match (self, value) {
            (_, Value::Null) => Value::Null,
            (Self::Primitive(name), value) => primitive(name, value),
            (Self::List(of), Value::Array(values)) => values.iter().map(|value| of.plain(value)).collect(),
            (Self::Map(_, of), Value::Object(entries)) => {
                entries.iter().map(|(key, value)| (key.clone(), of.plain(value))).collect::<Map<_, _>>().into()
            }
            (Self::Struct(fields), Value::Object(values)) => {
                let field =
                    |(name, of): &(String, Self)| (name.clone(), of.plain(values.get(name).unwrap_or(&Value::Null)));
                fields.iter().map(field).collect::<Map<_, _>>().into()
            }
            // Trino gives a struct's values in the order of its fields.
            (Self::Struct(fields), Value::Array(values)) => {
                let field = |((name, of), value): (&(String, Self), &Value)| (name.clone(), of.plain(value));
                fields.iter().zip(values).map(field).collect::<Map<_, _>>().into()
            }
            (_, odd) => odd.clone(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primitive(name) => f.write_str(name),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Map(key, value) => write!(f, "map<{key},{value}>"),
            Self::Struct(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, of)| format!("{name}:{of}")).collect();
                write!(f, "struct<{}>", fields.join(","))
            }
        }
    }
}

fn bytes_of_any_length(name: &str) -> &str {
    if name.starts_with("fixed") { "binary" } else { name }
}

/// What is between commas that are in no brackets.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (index, character) in text.char_indices() {
        match character {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn primitive(name: &str, value: &Value) -> Value {
    match (name, value) {
        // The shortest digits of 32 bits, and those of the 64 that some make of them, are one value.
        ("float", Value::Number(number)) => json!(number.as_f64().unwrap_or(f64::NAN) as f32),
        ("double", Value::Number(number)) => json!(number.as_f64()),
        (decimal, value) if decimal.starts_with("decimal") => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            json!(shortest(&written_out(&text)))
        }
        (BASE64, Value::String(text)) => {
            let bytes = STANDARD.decode(text).unwrap_or_default();
            json!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        ("uuid", Value::String(text)) => json!(grouped(text)),
        ("time" | "timestamp" | "timestamptz", Value::String(text)) => json!(time(text)),
        _ => value.clone(),
    }
}

/// A UUID's digits in groups of 8, 4, 4, 4 and 12, however they were.
fn grouped(text: &str) -> String {
    let digits = text.chars().filter(|character| *character != '-');
    let group = |(at, digit)| if [8, 12, 16, 20].contains(&at) { vec!['-', digit] } else { vec![digit] };
    digits.enumerate().flat_map(group).collect()
}

/// `2024-02-29 23:59:59.500000 UTC` and `2024-02-29T23:59:59.5Z` are one time.
fn time(text: &str) -> String {
    let text = text.replacen(' ', "T", 1);
    let (local, zone) = match text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')) {
        Some(local) => (local, "Z"),
        None => (text.as_str(), ""),
    };
    format!("{}{zone}", shortest(local))
}

/// `-1e-10`, as a small decimal is written that is a number, with all of its zeros.
fn written_out(text: &str) -> String {
    let parts = text.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?)));
    match parts.zip(text.parse::<f64>().ok()) {
        Some(((digits, exponent), number)) => {
            let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let places = i32::try_from(fraction).unwrap_or_default() - exponent;
            format!("{number:.*}", usize::try_from(places).unwrap_or_default())
        }
        None => text.to_owned(),
    }
}

/// Without zeros at the end of a fraction.
fn shortest(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_written() {
        for text in ["long", "decimal(10,2)", "list<map<string,decimal(3,1)>>", "struct<a:int,b:struct<c:fixed[3]>>"] {
            assert_eq!(Type::parse(text).unwrap().to_string(), text);
        }
        let answer =
            Answer { columns: vec![("a".to_owned(), "map<uuid,list<fixed[3]>>".to_owned())], rows: Vec::new() };
        assert_eq!(answer.clone().as_spark_has_it().columns[0].1, "map<string,list<binary>>");
        assert_eq!(grouped("12151fd2758611e98f9e2a86e4085a59"), "12151fd2-7586-11e9-8f9e-2a86e4085a59");
        assert_eq!(answer.as_trino_has_it().columns[0].1, "map<uuid,list<binary>>");
    }

    #[test]
    fn spellings_of_one_value_are_equal() {
        for (of, one, other) in [
            ("timestamptz", json!("2024-02-29 23:59:59.500000 UTC"), json!("2024-02-29T23:59:59.5Z")),
            ("timestamp", json!("2024-02-29 10:00:00.000000"), json!("2024-02-29T10:00:00")),
            ("time", json!("10:00:00.120000"), json!("10:00:00.12")),
            ("decimal(5,2)", json!(1.5), json!("1.50")),
            ("decimal(38,12)", json!(-1.5e-10), json!("-0.000000000150")),
            ("uuid", json!("12151fd2758611e98f9e2a86e4085a59"), json!("12151fd2-7586-11e9-8f9e-2a86e4085a59")),
            ("float", json!(0.1), json!(0.100_000_001_490_116_12)),
            ("struct<a:float,b:string>", json!([0.1, null]), json!({"a": 0.1})),
        ] {
            let of = Type::parse(of).unwrap();
            assert_eq!(of.plain(&one), of.plain(&other));
        }
    }
}
