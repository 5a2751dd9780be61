//! Columns of values, made of documents' trees by a type.

use std::cell::Cell;
use std::sync::Arc;

use base64::Engine as _;
use datafusion::arrow::array::{Array, ArrayRef, ListArray, MapArray, StringArray, StructArray, new_empty_array};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::json::{Kind, Node};
use crate::engine::calendar::pattern::Pattern;
use crate::engine::calendar::reading::{self, Partial};
use crate::engine::calendar::{DAY, SECOND};
use crate::engine::cast::reads;
use crate::engine::functions::type_word;

/// Refuses types that no document is read into.
pub(in crate::engine) fn readable(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Struct(fields) => {
            if fields.iter().any(|field| field.name() == "_corrupt_record") {
                return plan_err!("a column `_corrupt_record` is not supported");
            }
            fields.iter().try_for_each(|field| readable(field.data_type()))
        }
        DataType::List(item) => readable(item.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(parts) if parts.len() == 2 && *parts[0].data_type() == DataType::Utf8 => {
                readable(parts[1].data_type())
            }
            _ => plan_err!("maps in documents have keys that are STRING"),
        },
        _ => Ok(()),
    }
}

/// What leaves of a tree are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Source {
    /// Numbers and truth are no text, and text is no number.
    Json,
    /// Everything is text: CSV, XML.
    Text,
}

/// How leaves are read.
#[derive(Debug)]
pub(in crate::engine) struct Leaves {
    pub(in crate::engine) source: Source,
    pub(in crate::engine) dates: Option<Pattern>,
    pub(in crate::engine) timestamps: Option<Pattern>,
    /// Whether a value did not have its type; it is null.
    pub(in crate::engine) failed: Cell<bool>,
}

impl Leaves {
    pub(in crate::engine) fn new(source: Source) -> Self {
        Self { source, dates: None, timestamps: None, failed: Cell::new(false) }
    }

    /// The value of a leaf that is not null; none: it does not have the type.
    fn value(&self, node: &Node<'_>, to: &DataType) -> Option<ScalarValue> {
        match self.source {
            Source::Json => self.of_json(node, to),
            Source::Text => match &node.kind {
                Kind::Text(text) => self.of_text(text, to),
                _ => None,
            },
        }
    }

    fn of_json(&self, node: &Node<'_>, to: &DataType) -> Option<ScalarValue> {
        let is_whole = !node.raw.contains(['.', 'e', 'E', 'N', 'I']);
        Some(match (to, &node.kind) {
            (DataType::Utf8, Kind::Text(text)) => ScalarValue::Utf8(Some(text.clone())),
            (DataType::Utf8, _) => ScalarValue::Utf8(Some(node.raw.to_owned())),
            (DataType::Boolean, Kind::Truth(truth)) => ScalarValue::Boolean(Some(*truth)),
            (whole, Kind::Number) if whole.is_integer() && is_whole => integer(node.raw, whole)?,
            (DataType::Float32, Kind::Number) => ScalarValue::Float32(Some(number(node.raw)? as f32)),
            (DataType::Float64, Kind::Number) => ScalarValue::Float64(Some(number(node.raw)?)),
            (DataType::Float32, Kind::Text(text)) => ScalarValue::Float32(Some(non_number(text)? as f32)),
            (DataType::Float64, Kind::Text(text)) => ScalarValue::Float64(Some(non_number(text)?)),
            (DataType::Decimal128(precision, scale), Kind::Number) => decimal(node.raw, *precision, *scale)?,
            (DataType::Decimal128(precision, scale), Kind::Text(text)) => decimal(text.trim(), *precision, *scale)?,
            (DataType::Timestamp(_, Some(_)), Kind::Number) if is_whole => {
                let seconds: i64 = node.raw.parse().ok()?;
                moment(seconds.checked_mul(SECOND)?, to)?
            }
            (DataType::Date32 | DataType::Timestamp(..), Kind::Text(text)) => self.of_text(text, to)?,
            (DataType::Binary, Kind::Text(text)) => {
                ScalarValue::Binary(Some(base64::engine::general_purpose::STANDARD.decode(text).ok()?))
            }
            _ => return None,
        })
    }

    fn of_text(&self, text: &str, to: &DataType) -> Option<ScalarValue> {
        Some(match to {
            DataType::Utf8 => ScalarValue::Utf8(Some(text.to_owned())),
            DataType::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" => ScalarValue::Boolean(Some(true)),
                "false" => ScalarValue::Boolean(Some(false)),
                _ => return None,
            },
            whole if whole.is_integer() => integer(text, whole)?,
            DataType::Float32 => ScalarValue::Float32(Some(number(text)? as f32)),
            DataType::Float64 => ScalarValue::Float64(Some(number(text)?)),
            DataType::Decimal128(precision, scale) => decimal(&text.replace(',', ""), *precision, *scale)?,
            DataType::Date32 => {
                let days = match &self.dates {
                    Some(pattern) => pattern.read(text)?.div_euclid(DAY),
                    None => reading::date(text, Partial::Allowed)?,
                };
                ScalarValue::Date32(Some(i32::try_from(days).ok()?))
            }
            DataType::Timestamp(_, zone) => {
                let micros = match (&self.timestamps, zone) {
                    (Some(pattern), _) => pattern.read(text)?,
                    (None, Some(_)) => reading::moment(text, Partial::Allowed)?.micros,
                    (None, None) => {
                        reading::moment(text, Partial::Allowed).filter(|read| !read.has_zone).map(|read| read.local)?
                    }
                };
                moment(micros, to)?
            }
            _ => return None,
        })
    }
}

fn integer(text: &str, to: &DataType) -> Option<ScalarValue> {
    Some(match to {
        DataType::Int8 => ScalarValue::Int8(Some(text.parse().ok()?)),
        DataType::Int16 => ScalarValue::Int16(Some(text.parse().ok()?)),
        DataType::Int32 => ScalarValue::Int32(Some(text.parse().ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(text.parse().ok()?)),
        _ => return None,
    })
}

fn number(text: &str) -> Option<f64> {
    non_number(text).or_else(|| reads::double(text))
}

fn non_number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" | "+Infinity" | "INF" | "+INF" | "Inf" => Some(f64::INFINITY),
        "-Infinity" | "-INF" | "-Inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn decimal(text: &str, precision: u8, scale: i8) -> Option<ScalarValue> {
    Some(ScalarValue::Decimal128(Some(reads::decimal(text, precision, scale)?), precision, scale))
}

fn moment(micros: i64, to: &DataType) -> Option<ScalarValue> {
    match to {
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            Some(ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()))
        }
        _ => None,
    }
}

/// Text as `CAST` reads it.
pub(in crate::engine) fn cast_text(text: &str, to: &DataType) -> Option<ScalarValue> {
    use crate::engine::numbers::Missing;
    use crate::engine::numbers::decimal::Rules;
    let texts = StringArray::from_iter_values([text]);
    let read = reads::read(&texts, to, Rules::Spark, Missing::Null).ok()?;
    read.is_valid(0).then(|| ScalarValue::try_from_array(&read, 0).ok()).flatten()
}

fn is_leaf(data_type: &DataType) -> bool {
    !data_type.is_nested()
}

type Nodes<'n, 't> = [Option<&'n Node<'t>>];

/// A leaf's value by its type; none: it does not have it.
pub(in crate::engine) type Leaf<'l> = dyn Fn(&Node<'_>, &DataType) -> Option<ScalarValue> + 'l;

/// A column of trees; none and null make null.
pub(in crate::engine) fn column(nodes: &Nodes<'_, '_>, to: &DataType, leaves: &Leaves) -> Result<ArrayRef> {
    Column { leaf: &|node, to| leaves.value(node, to), failed: &leaves.failed }.of(nodes, to)
}

/// Likewise, with leaves that are read otherwise.
pub(in crate::engine) fn column_with(
    nodes: &Nodes<'_, '_>,
    to: &DataType,
    leaf: &Leaf<'_>,
    failed: &Cell<bool>,
) -> Result<ArrayRef> {
    Column { leaf, failed }.of(nodes, to)
}

struct Column<'l> {
    leaf: &'l Leaf<'l>,
    failed: &'l Cell<bool>,
}

impl Column<'_> {
    fn fails(&self) {
        self.failed.set(true);
    }

    fn of(&self, nodes: &Nodes<'_, '_>, to: &DataType) -> Result<ArrayRef> {
        if nodes.is_empty() {
            return Ok(new_empty_array(to));
        }
        match to {
            DataType::Struct(fields) => {
                let members = |node: &Option<&Node<'_>>| match node.map(|node| &node.kind) {
                    Some(Kind::Object(_)) => true,
                    Some(Kind::Null) | None => false,
                    Some(_) => {
                        self.fails();
                        false
                    }
                };
                let valid: Vec<bool> = nodes.iter().map(members).collect();
                let columns = fields.iter().map(|field| {
                    let children: Vec<Option<&Node<'_>>> =
                        nodes.iter().map(|node| node.and_then(|node| member(node, field.name()))).collect();
                    self.of(&children, field.data_type())
                });
                let columns = columns.collect::<Result<Vec<_>>>()?;
                let nulls = Some(NullBuffer::from(valid));
                Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, nodes.len())?))
            }
            DataType::List(item) => {
                let (mut children, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
                for node in nodes {
                    let items = self.items(*node, item.data_type());
                    valid.push(items.is_some());
                    lengths.push(items.map_or(0, <[_]>::len));
                    children.extend(items.unwrap_or_default().iter().map(Some));
                }
                let values = self.of(&children, item.data_type())?;
                let offsets = OffsetBuffer::from_lengths(lengths);
                Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, Some(NullBuffer::from(valid)))?))
            }
            DataType::Map(entries, sorted) => {
                let DataType::Struct(parts) = entries.data_type() else { return exec_err!("expected a map") };
                let (mut keys, mut children, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
                for node in nodes {
                    let members = match node.map(|node| &node.kind) {
                        Some(Kind::Object(members)) => Some(members.as_slice()),
                        Some(Kind::Null) | None => None,
                        Some(_) => {
                            self.fails();
                            None
                        }
                    };
                    valid.push(members.is_some());
                    lengths.push(members.map_or(0, <[_]>::len));
                    for (name, value) in members.unwrap_or_default() {
                        keys.push(name.as_str());
                        children.push(Some(value));
                    }
                }
                let values = self.of(&children, parts[1].data_type())?;
                let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(keys)), values];
                let rows = StructArray::try_new(parts.clone(), columns, None)?;
                let offsets = OffsetBuffer::from_lengths(lengths);
                let nulls = Some(NullBuffer::from(valid));
                Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, rows, nulls, *sorted)?))
            }
            leaf => {
                let null = ScalarValue::try_from(leaf)?;
                let values = nodes.iter().map(|node| self.leaf(*node, leaf).unwrap_or_else(|| null.clone()));
                ScalarValue::iter_to_array(values)
            }
        }
    }

    fn leaf(&self, node: Option<&Node<'_>>, to: &DataType) -> Option<ScalarValue> {
        let node = node.filter(|node| node.kind != Kind::Null)?;
        let value = (self.leaf)(node, to);
        if value.is_none() {
            self.fails();
        }
        value
    }

    /// A list of which one item does not have its type is null as a whole.
    fn items<'n, 't>(&self, node: Option<&'n Node<'t>>, item: &DataType) -> Option<&'n [Node<'t>]> {
        match node.map(|node| &node.kind) {
            Some(Kind::List(items)) => {
                let fits = |node: &Node<'_>| node.kind == Kind::Null || self.leaf(Some(node), item).is_some();
                (!is_leaf(item) || items.iter().all(fits)).then_some(items)
            }
            Some(Kind::Null) | None => None,
            Some(_) => {
                self.fails();
                None
            }
        }
    }
}

/// The last member of a name.
fn member<'n, 't>(node: &'n Node<'t>, name: &str) -> Option<&'n Node<'t>> {
    match &node.kind {
        Kind::Object(members) => members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value),
        _ => None,
    }
}

/// For messages: what a document is read into.
pub(in crate::engine) fn refused<T>(data_type: &DataType, expected: &str) -> Result<T> {
    plan_err!("the schema is {expected}, not {}", type_word(data_type))
}
