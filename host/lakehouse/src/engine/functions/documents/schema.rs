//! Types of documents: read as Spark writes them (`a INT, b ARRAY<STRUCT<c: STRING>>`), and found in a document.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue, plan_err};

use super::json::{Kind, Node};
use crate::engine::functions::dates::{timestamp, timestamptz};

/// The literal type among a call's arguments; none: it is null.
pub(in crate::engine) fn written_out(values: &[Option<&ScalarValue>], index: usize) -> Result<DataType> {
    match values.get(index).copied().flatten().map(ScalarValue::try_as_str) {
        Some(Some(Some(text))) => parse(text),
        _ => plan_err!("the schema has to be written out as text, such as 'a INT, b STRING'"),
    }
}

/// A type, or columns.
///
/// # Errors
/// For text that is no type.
pub(in crate::engine) fn parse(text: &str) -> Result<DataType> {
    let mut reader = Reader { rest: text };
    if let Some(found) = reader.data_type()
        && reader.rest.trim_start().is_empty()
    {
        return Ok(found);
    }
    let mut reader = Reader { rest: text };
    match reader.fields() {
        Some(fields) if reader.rest.trim_start().is_empty() => Ok(DataType::Struct(fields)),
        _ => plan_err!("'{text}' is no schema: expected a type, or columns as 'a INT, b ARRAY<STRING>'"),
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn take(&mut self, wanted: char) -> bool {
        let trimmed = self.rest.trim_start();
        match trimmed.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A bare word, or any text in backticks.
    fn name(&mut self) -> Option<String> {
        let trimmed = self.rest.trim_start();
        if let Some(quoted) = trimmed.strip_prefix('`') {
            let (name, rest) = quoted.split_once('`')?;
            self.rest = rest;
            return Some(name.to_owned());
        }
        let end = trimmed.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(trimmed.len());
        let (name, rest) = trimmed.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
        self.rest = rest;
        Some(name.to_owned())
    }

    fn word(&mut self, wanted: &str) -> bool {
        let before = self.rest;
        let is = self.name().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        if !is {
            self.rest = before;
        }
        is
    }

    fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.name()?.parse().ok()
    }

    fn data_type(&mut self) -> Option<DataType> {
        let name = self.name()?.to_ascii_lowercase();
        Some(match name.as_str() {
            "boolean" => DataType::Boolean,
            "tinyint" | "byte" => DataType::Int8,
            "smallint" | "short" => DataType::Int16,
            "int" | "integer" => DataType::Int32,
            "bigint" | "long" => DataType::Int64,
            "float" | "real" => DataType::Float32,
            "double" => DataType::Float64,
            "string" => DataType::Utf8,
            "varchar" | "char" => {
                (self.take('(') && self.number::<u32>().is_some() && self.take(')')).then_some(DataType::Utf8)?
            }
            "binary" => DataType::Binary,
            "date" => DataType::Date32,
            "timestamp" | "timestamp_ltz" => timestamptz(),
            "timestamp_ntz" => timestamp(),
            "decimal" | "dec" | "numeric" => self.decimal()?,
            "array" => {
                let item = (self.take('<')).then(|| self.data_type()).flatten()?;
                self.take('>').then(|| DataType::new_list(item, true))?
            }
            "map" => {
                let key = self.take('<').then(|| self.data_type()).flatten()?;
                let value = self.take(',').then(|| self.data_type()).flatten()?;
                self.take('>').then_some(())?;
                let parts = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(parts), false)), false)
            }
            "struct" => {
                self.take('<').then_some(())?;
                let fields = if self.rest.trim_start().starts_with('>') { Fields::empty() } else { self.fields()? };
                self.take('>').then_some(DataType::Struct(fields))?
            }
            _ => return None,
        })
    }

    fn decimal(&mut self) -> Option<DataType> {
        if !self.take('(') {
            return Some(DataType::Decimal128(10, 0));
        }
        let precision: u8 = self.number()?;
        let scale: i8 = if self.take(',') { self.number()? } else { 0 };
        let fits = (1..=38).contains(&precision) && i16::from(scale) <= i16::from(precision);
        (self.take(')') && fits).then_some(DataType::Decimal128(precision, scale))
    }

    /// `a INT, b: STRING NOT NULL COMMENT 'why'`.
    fn fields(&mut self) -> Option<Fields> {
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let name = self.name()?;
            self.take(':');
            let data_type = self.data_type()?;
            if self.word("not") {
                self.word("null").then_some(())?;
            }
            if self.word("comment") {
                let text = self.rest.trim_start().strip_prefix('\'')?;
                self.rest = text.split_once('\'')?.1;
            }
            if fields.iter().any(|field| field.name().eq_ignore_ascii_case(&name)) {
                return None;
            }
            // What a document lacks is null, whatever is promised of it.
            fields.push(Field::new(name, data_type, true));
            if !self.take(',') {
                return Some(Fields::from(fields));
            }
        }
    }
}

/// What is known of a value's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Shape {
    /// Nothing but nulls.
    Nothing,
    Truth,
    Long,
    Decimal(usize, usize),
    Double,
    Text,
    Other(&'static str),
    List(Box<Shape>),
    /// By name, in order.
    Object(Vec<(String, Shape)>),
}

impl Shape {
    /// Of JSON, as Spark finds it.
    pub(in crate::engine) fn of_json(node: &Node<'_>) -> Self {
        match &node.kind {
            Kind::Null => Self::Nothing,
            Kind::Truth(_) => Self::Truth,
            Kind::Text(text) if text.is_empty() => Self::Nothing,
            Kind::Text(_) => Self::Text,
            Kind::Number if node.raw.parse::<i64>().is_ok() => Self::Long,
            Kind::Number => {
                let digits = node.raw.trim_start_matches('-').len();
                let is_whole = node.raw.trim_start_matches('-').bytes().all(|digit| digit.is_ascii_digit());
                if is_whole && digits <= 38 { Self::Decimal(digits, 0) } else { Self::Double }
            }
            Kind::List(items) => {
                let item = items.iter().map(Self::of_json).fold(Self::Nothing, |all, item| all.with(item));
                Self::List(Box::new(item))
            }
            Kind::Object(members) => {
                let mut fields: Vec<(String, Self)> = Vec::new();
                for (name, value) in members {
                    merge(&mut fields, name.clone(), Self::of_json(value), &Self::Text);
                }
                Self::Object(fields)
            }
        }
    }

    /// The type that has the values of both.
    pub(in crate::engine) fn with(self, other: Self) -> Self {
        self.with_or(other, &Self::Text)
    }

    /// Likewise, with what stands where there is no such type.
    pub(in crate::engine) fn with_or(self, other: Self, none: &Self) -> Self {
        match (self, other) {
            (Self::Nothing, shape) | (shape, Self::Nothing) => shape,
            (left, right) if left == right => left,
            (Self::Long | Self::Double, Self::Double) | (Self::Double, Self::Long) => Self::Double,
            (Self::Decimal(..), Self::Double) | (Self::Double, Self::Decimal(..)) => Self::Double,
            (Self::Long, Self::Decimal(precision, scale)) | (Self::Decimal(precision, scale), Self::Long) => {
                decimal(precision.saturating_sub(scale).max(20), scale)
            }
            (Self::Decimal(left, left_scale), Self::Decimal(right, right_scale)) => {
                decimal((left - left_scale).max(right - right_scale), left_scale.max(right_scale))
            }
            (Self::List(left), Self::List(right)) => Self::List(Box::new(left.with_or(*right, none))),
            (Self::Object(mut left), Self::Object(right)) => {
                right.into_iter().for_each(|(name, shape)| merge(&mut left, name, shape, none));
                Self::Object(left)
            }
            _ => none.clone(),
        }
    }

    /// As Spark writes it. Objects without fields are no types; none: nothing is left.
    pub(in crate::engine) fn sql(&self) -> Option<String> {
        Some(match self {
            Self::Nothing | Self::Text => "STRING".to_owned(),
            Self::Truth => "BOOLEAN".to_owned(),
            Self::Long => "BIGINT".to_owned(),
            Self::Decimal(precision, scale) => format!("DECIMAL({precision},{scale})"),
            Self::Double => "DOUBLE".to_owned(),
            Self::Other(name) => (*name).to_owned(),
            Self::List(item) => format!("ARRAY<{}>", item.sql()?),
            Self::Object(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .filter_map(|(name, shape)| Some(format!("{}: {}", quoted(name), shape.sql()?)))
                    .collect();
                (!fields.is_empty()).then(|| format!("STRUCT<{}>", fields.join(", ")))?
            }
        })
    }
}

fn decimal(whole: usize, scale: usize) -> Shape {
    if whole + scale > 38 { Shape::Double } else { Shape::Decimal(whole + scale, scale) }
}

fn merge(fields: &mut Vec<(String, Shape)>, name: String, shape: Shape, none: &Shape) {
    match fields.binary_search_by(|(known, _)| known.as_str().cmp(&name)) {
        Ok(at) => {
            let known = std::mem::replace(&mut fields[at].1, Shape::Nothing);
            fields[at].1 = known.with_or(shape, none);
        }
        Err(at) => fields.insert(at, (name, shape)),
    }
}

/// A name that is no plain word is in backticks.
pub(in crate::engine) fn quoted(name: &str) -> String {
    let is_word = !name.is_empty() && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
    let is_number = name.bytes().all(|digit| digit.is_ascii_digit());
    if is_word && !is_number { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_spark_writes_them() {
        for (text, expected) in [
            ("a INT, b DOUBLE", Some("Struct(\"a\": Int32, \"b\": Float64)")),
            ("STRUCT<a: ARRAY<STRUCT<`b c`: STRING NOT NULL>>>", Some("b c")),
            ("MAP<STRING, DECIMAL(5, 2)>", Some("Decimal128(5, 2)")),
            ("a TIMESTAMP COMMENT 'when', d DATE", Some("Date32")),
            ("array<int>", Some("List")),
            ("a", None),
            ("a INT,", None),
            ("a NOTHING", None),
            ("DECIMAL(39,0)", None),
            ("a INT, A INT", None),
        ] {
            match (parse(text), expected) {
                (Ok(found), Some(expected)) => {
                    assert!(
                        format!("{found}").contains(expected) || format!("{found:?}").contains(expected),
                        "{text}: {found}"
                    );
                }
                (found, expected) => assert!(found.is_err() && expected.is_none(), "{text}: {found:?}"),
            }
        }
    }
}
