//! Types of columns, as the contract writes them and as values are brought to them.

use std::fmt;

use asgard_sdk::{Error, Result};

/// The host refuses deeper types.
const DEPTH: usize = 32;

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    Boolean,
    Long,
    Double,
    Decimal {
        precision: usize,
        scale: usize,
    },
    Date,
    Time,
    /// With a zone, or without one.
    Timestamp {
        zone: bool,
    },
    /// Texts as they are, everything else as JSON.
    Text,
    /// Base64 in JSON.
    Binary,
    List(Box<Shape>),
    Struct(Vec<(String, Shape)>),
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Long => f.write_str("long"),
            Self::Double => f.write_str("double"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time"),
            Self::Timestamp { zone: true } => f.write_str("timestamptz"),
            Self::Timestamp { zone: false } => f.write_str("timestamp"),
            Self::Text => f.write_str("string"),
            Self::Binary => f.write_str("binary"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (index, (name, shape)) in fields.iter().enumerate() {
                    write!(f, "{}{name}:{shape}", if index == 0 { "" } else { "," })?;
                }
                f.write_str(">")
            }
        }
    }
}

impl Shape {
    /// Reads a type of a column that this plugin described once.
    ///
    /// # Errors
    /// `unsupported` for a type that it never describes.
    pub fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader { rest: text, depth: 0 };
        match reader.shape() {
            Some(shape) if reader.rest.trim().is_empty() => Ok(shape),
            _ => Err(Error::Unsupported(format!(
                "records of a connector cannot be brought to a column of type `{text}`: POST /ingestion/{{id}}/reset takes its types anew"
            ))),
        }
    }

    /// Whether a stream may be ordered by it.
    pub fn is_ordered(&self) -> bool {
        !matches!(self, Self::Boolean | Self::Binary | Self::List(_) | Self::Struct(_))
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn shape(&mut self) -> Option<Shape> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let shape = match word {
            "boolean" => Shape::Boolean,
            "int" | "long" => Shape::Long,
            "float" | "double" => Shape::Double,
            "decimal" => {
                let (inside, rest) = self.rest.strip_prefix('(')?.split_once(')')?;
                let (precision, scale) = inside.split_once(',')?;
                self.rest = rest;
                Shape::Decimal { precision: precision.trim().parse().ok()?, scale: scale.trim().parse().ok()? }
            }
            "date" => Shape::Date,
            "time" => Shape::Time,
            "timestamptz" => Shape::Timestamp { zone: true },
            "timestamp" => Shape::Timestamp { zone: false },
            "string" => Shape::Text,
            "binary" => Shape::Binary,
            "list" => {
                self.take("<")?;
                let element = self.shape()?;
                self.take(">")?;
                Shape::List(Box::new(element))
            }
            "struct" => {
                self.take("<")?;
                let mut fields = Vec::new();
                loop {
                    // A name may have any character but the one that ends it.
                    let (name, rest) = self.rest.split_once(':')?;
                    self.rest = rest;
                    fields.push((name.to_owned(), self.shape()?));
                    if self.take(",").is_none() {
                        break;
                    }
                }
                self.take(">")?;
                Shape::Struct(fields)
            }
            _ => return None,
        };
        self.depth -= 1;
        Some(shape)
    }

    fn take(&mut self, wanted: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_described_reads_back() {
        for text in [
            "boolean",
            "long",
            "double",
            "decimal(38,0)",
            "date",
            "time",
            "timestamp",
            "timestamptz",
            "string",
            "binary",
            "list<list<long>>",
            "struct<a:long,b c:struct<d,e:list<string>>,f:date>",
        ] {
            assert_eq!(Shape::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "uuid", "list<long", "struct<>", "longer", "decimal(1)"] {
            assert!(Shape::parse(text).is_err(), "{text}");
        }
    }
}
