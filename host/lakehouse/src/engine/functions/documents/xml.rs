//! Spark's functions of XML: one row in one element, whose name does not count. An attribute is a member whose name begins with `_`,
//! the text of an element that has members is `_VALUE`, and elements of one name are a list.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use roxmltree::Node as Element;

use super::json::{Kind, Node};
use super::json_functions::nothing;
use super::options::Options;
use super::schema::{self, Shape};
use super::values::{Leaves, Source, cast_text, column, readable, refused};
use super::written::Writer;
use super::xpath::document;
use crate::engine::functions::dates::timestamptz;
use crate::engine::functions::type_word;

const READING: [&str; 4] = ["mode", "dateFormat", "timestampFormat", "excludeAttribute"];
const WRITING: [&str; 4] = ["rowTag", "dateFormat", "timestampFormat", "timestampNTZFormat"];
const ATTRIBUTE: char = '_';
const TEXT: &str = "_VALUE";

/// The type of `from_xml(document, schema[, options])`.
pub(in crate::engine) fn read_type(_types: &[DataType], values: &[Option<&ScalarValue>]) -> Result<DataType> {
    let found = schema::written_out(values, 1)?;
    readable(&found)?;
    if has_map(&found) {
        return plan_err!("maps in XML are not supported");
    }
    match found {
        DataType::Struct(_) => Ok(found),
        other => refused(&other, "columns or a struct"),
    }
}

fn has_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::Struct(fields) => fields.iter().any(|field| has_map(field.data_type())),
        DataType::List(item) => has_map(item.data_type()),
        _ => false,
    }
}

/// `from_xml(document, schema[, options])`.
pub(in crate::engine) fn read(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let options = Options::of(arguments.get(2), &READING)?;
    let fails_fast = options.fails_fast()?;
    let leaves = Leaves {
        dates: options.pattern("dateFormat")?,
        timestamps: options.pattern("timestampFormat")?,
        ..Leaves::new(Source::Text)
    };
    let mut nodes: Vec<Option<Node<'_>>> = Vec::new();
    for text in arguments[0].as_string::<i32>() {
        let node = match text {
            Some(text) => match document(text) {
                Ok(document) => Some(tree(document.root_element(), to)?),
                Err(error) if fails_fast => return Err(error),
                Err(_) => nothing(to),
            },
            None => None,
        };
        nodes.push(node);
    }
    let nodes: Vec<Option<&Node<'_>>> = nodes.iter().map(Option::as_ref).collect();
    let values = column(&nodes, to, &leaves)?;
    if fails_fast && leaves.failed.get() {
        return exec_err!("from_xml: a value does not have the type that the schema says");
    }
    Ok(values)
}

fn leaf(text: &str) -> Node<'static> {
    Node { raw: "", kind: Kind::Text(text.trim().to_owned()) }
}

fn own_text(element: Element<'_, '_>) -> String {
    element.children().filter(|child| child.is_text()).filter_map(|text| text.text()).collect()
}

/// The tree of an element that a type wants.
fn tree(element: Element<'_, '_>, to: &DataType) -> Result<Node<'static>> {
    let DataType::Struct(fields) = to else {
        if element.children().any(|child| child.is_element()) {
            return match to {
                DataType::Utf8 => exec_err!(
                    "from_xml: the element <{}> has elements in it, and is wanted as text",
                    element.tag_name().name()
                ),
                _ => Ok(Node { raw: "", kind: Kind::Object(Vec::new()) }),
            };
        }
        let text = own_text(element);
        let is_null = text.trim().is_empty() && *to != DataType::Utf8;
        return Ok(if is_null { Node { raw: "", kind: Kind::Null } } else { leaf(&text) });
    };
    let mut members = Vec::new();
    for field in fields {
        let name = field.name();
        let found: Vec<Element<'_, '_>> =
            element.children().filter(|child| child.is_element() && child.tag_name().name() == name).collect();
        let attribute = name.strip_prefix(ATTRIBUTE).and_then(|name| element.attribute(name));
        let node = match (field.data_type(), found.last()) {
            (DataType::List(item), Some(_)) => {
                let items = found.iter().map(|element| tree(*element, item.data_type()));
                Node { raw: "", kind: Kind::List(items.collect::<Result<_>>()?) }
            }
            (data_type, Some(last)) => tree(*last, data_type)?,
            (_, None) => match attribute {
                Some(value) => leaf(value),
                None if name == TEXT && !own_text(element).trim().is_empty() => leaf(&own_text(element)),
                None => continue,
            },
        };
        members.push((name.clone(), node));
    }
    Ok(Node { raw: "", kind: Kind::Object(members) })
}

/// `schema_of_xml(document[, options])`.
pub(in crate::engine) fn found_schema(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let options = Options::of(arguments.get(1), &READING)?;
    let attributes = !options.truth("excludeAttribute", false)?;
    let mut out = StringBuilder::new();
    for text in arguments[0].as_string::<i32>() {
        let Some(text) = text else {
            out.append_null();
            continue;
        };
        let document = document(text)?;
        match shape(document.root_element(), attributes) {
            shape @ Shape::Object(_) => out.append_value(shape.sql().unwrap_or_else(|| "STRUCT<>".to_owned())),
            _ => return exec_err!("schema_of_xml: the row's element has no elements in it"),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn shape(element: Element<'_, '_>, attributes: bool) -> Shape {
    let mut fields: Vec<(String, Shape)> = Vec::new();
    if attributes {
        for attribute in element.attributes() {
            fields.push((format!("{ATTRIBUTE}{}", attribute.name()), leaf_shape(attribute.value())));
        }
    }
    let children: Vec<Element<'_, '_>> = element.children().filter(|child| child.is_element()).collect();
    for child in &children {
        let name = child.tag_name().name();
        let found = shape(*child, attributes);
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, Shape::List(item))) => **item = item.as_ref().clone().with(found),
            Some((_, known)) => *known = Shape::List(Box::new(known.clone().with(found))),
            None => fields.push((name.to_owned(), found)),
        }
    }
    let text = own_text(element);
    let text_shape = leaf_shape(text.trim());
    if fields.is_empty() {
        return text_shape;
    }
    if text_shape != Shape::Nothing {
        fields.push((TEXT.to_owned(), text_shape));
    }
    fields.sort_by(|(left, _), (right, _)| left.cmp(right));
    Shape::Object(fields)
}

fn leaf_shape(text: &str) -> Shape {
    let text = text.trim();
    let reads_as = |to: &DataType| cast_text(text, to).is_some();
    let looks_dated = text.len() >= 10 && text.as_bytes().get(4) == Some(&b'-');
    match text.to_ascii_lowercase().as_str() {
        "" => Shape::Nothing,
        "true" | "false" => Shape::Truth,
        _ if text.parse::<i64>().is_ok() => Shape::Long,
        _ if reads_as(&DataType::Float64) => Shape::Double,
        _ if looks_dated && text.len() == 10 && reads_as(&DataType::Date32) => Shape::Other("DATE"),
        _ if looks_dated && reads_as(&timestamptz()) => Shape::Other("TIMESTAMP"),
        _ => Shape::Text,
    }
}

/// `to_xml` takes a struct, of values, structs and lists of them.
pub(in crate::engine) fn written_type(types: &[DataType]) -> Result<DataType> {
    match types.first() {
        Some(data_type @ DataType::Struct(_)) if !has_map(data_type) => Ok(DataType::Utf8),
        Some(other) => plan_err!("to_xml takes a struct without maps, not {}", type_word(other)),
        None => plan_err!("to_xml takes a struct"),
    }
}

/// `to_xml(struct[, options])`.
pub(in crate::engine) fn written(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let options = Options::of(arguments.get(1), &WRITING)?;
    let writer = Writer::of(&options)?;
    let tag = options.text("rowTag").unwrap_or("ROW");
    let mut out = StringBuilder::new();
    for row in 0..arguments[0].len() {
        if arguments[0].is_null(row) {
            out.append_null();
            continue;
        }
        let mut text = String::new();
        element(&writer, tag, &arguments[0], row, 0, &mut text)?;
        out.append_value(text.trim_start_matches('\n'));
    }
    Ok(Arc::new(out.finish()))
}

fn element(writer: &Writer, name: &str, array: &ArrayRef, row: usize, depth: usize, out: &mut String) -> Result<()> {
    let indent = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"    ".repeat(depth));
    };
    if let Some(list) = array.as_list_opt::<i32>() {
        let items = list.value(row);
        for item in 0..items.len() {
            if items.is_null(item) || items.data_type().is_nested() && items.as_list_opt::<i32>().is_some() {
                return exec_err!("to_xml does not write nulls and lists in lists");
            }
            element(writer, name, &items, item, depth, out)?;
        }
        return Ok(());
    }
    indent(out, depth);
    // Writing to a string does not fail.
    let _ = write!(out, "<{name}");
    let Some(parts) = array.as_struct_opt() else {
        let text = writer.text(array, row)?;
        let Some(text) = text else { return exec_err!("{} is not written as XML", type_word(array.data_type())) };
        let _ = write!(out, ">{}</{name}>", escaped(&text));
        return Ok(());
    };
    let known = || parts.fields().iter().zip(parts.columns()).filter(|(_, part)| part.is_valid(row));
    for (field, part) in known().filter(|(field, _)| field.name().starts_with(ATTRIBUTE) && field.name() != TEXT) {
        let text = writer.text(part, row)?.unwrap_or_default();
        let _ = write!(out, " {}=\"{}\"", &field.name()[1..], escaped(&text).replace('"', "&quot;"));
    }
    out.push('>');
    let before = out.len();
    for (field, part) in known() {
        if field.name() == TEXT {
            out.push_str(&escaped(&writer.text(part, row)?.unwrap_or_default()));
        } else if !field.name().starts_with(ATTRIBUTE) {
            element(writer, field.name(), part, row, depth + 1, out)?;
        }
    }
    if out[before..].starts_with('\n') {
        indent(out, depth);
    }
    let _ = write!(out, "</{name}>");
    Ok(())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
