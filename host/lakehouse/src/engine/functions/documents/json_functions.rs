//! Spark's functions of JSON.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListBuilder, StringArray, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::json::{Kind, Node, Rules, parse, write};
use super::options::Options;
use super::schema::{self, Shape};
use super::values::{Leaves, Source, column, readable, refused};
use super::written::{Writer, writable};
use super::{json_path, schema as schemas};
use crate::engine::functions::text::value;

/// Options of reading; those of writing are others.
const READING: [&str; 9] = [
    "mode",
    "dateFormat",
    "timestampFormat",
    "allowSingleQuotes",
    "allowUnquotedFieldNames",
    "allowNumericLeadingZeros",
    "allowNonNumericNumbers",
    "allowBackslashEscapingAnyCharacter",
    "allowUnquotedControlChars",
];

const WRITING: [&str; 4] = ["dateFormat", "timestampFormat", "timestampNTZFormat", "ignoreNullFields"];

fn rules(options: &Options) -> Result<Rules> {
    Ok(Rules {
        single_quotes: options.truth("allowSingleQuotes", true)?,
        control_letters: options.truth("allowUnquotedControlChars", false)?,
        leading_zeros: options.truth("allowNumericLeadingZeros", false)?,
        bare_names: options.truth("allowUnquotedFieldNames", false)?,
        non_numbers: options.truth("allowNonNumericNumbers", true)?,
        any_escape: options.truth("allowBackslashEscapingAnyCharacter", false)?,
        ..Rules::default()
    })
}

/// `get_json_object(document, path)`.
pub(in crate::engine) fn part(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (texts, paths) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let mut last: Option<(&str, Option<Vec<json_path::Step>>)> = None;
    let mut out = StringBuilder::new();
    for row in 0..texts.len() {
        let (Some(text), Some(path)) = (value(texts, row), value(paths, row)) else {
            out.append_null();
            continue;
        };
        if last.as_ref().is_none_or(|(known, _)| *known != path) {
            last = Some((path, json_path::path(path)));
        }
        let steps = last.as_ref().and_then(|(_, steps)| steps.as_ref());
        out.append_option(steps.and_then(|steps| json_path::found(&parse(text, Rules::HIVE)?, steps)));
    }
    Ok(Arc::new(out.finish()))
}

/// A member of an object as text, for `json_tuple`: null for null and where there is none.
pub(in crate::engine) fn member(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (texts, names) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let values: StringArray = (0..texts.len())
        .map(|row| {
            let Kind::Object(members) = parse(value(texts, row)?, Rules::HIVE)?.kind else { return None };
            let name = value(names, row)?;
            let found = members.iter().rev().find(|(known, value)| known == name && value.kind != Kind::Null);
            Some(match &found?.1 {
                Node { kind: Kind::Text(text), .. } => text.clone(),
                other => {
                    let mut out = String::new();
                    write(other, &mut out);
                    out
                }
            })
        })
        .collect();
    Ok(Arc::new(values))
}

/// `json_array_length(document)`.
pub(in crate::engine) fn list_length(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let lengths: Int32Array = arguments[0]
        .as_string::<i32>()
        .iter()
        .map(|text| match parse(text?, Rules::HIVE)?.kind {
            Kind::List(items) => i32::try_from(items.len()).ok(),
            _ => None,
        })
        .collect();
    Ok(Arc::new(lengths))
}

/// `json_object_keys(document)`.
pub(in crate::engine) fn names(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(StringBuilder::new());
    for text in arguments[0].as_string::<i32>() {
        match text.and_then(|text| parse(text, Rules::HIVE)).map(|node| node.kind) {
            Some(Kind::Object(members)) => out.append_value(members.into_iter().map(|(name, _)| Some(name))),
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// The type of `from_json(document, schema[, options])`.
pub(in crate::engine) fn read_type(_types: &[DataType], values: &[Option<&ScalarValue>]) -> Result<DataType> {
    let found = schemas::written_out(values, 1)?;
    if !found.is_nested() {
        return refused(&found, "columns, a struct, a list or a map");
    }
    readable(&found)?;
    Ok(found)
}

/// `from_json(document, schema[, options])`.
pub(in crate::engine) fn read(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let options = Options::of(arguments.get(2), &READING)?;
    let (rules, fails_fast) = (rules(&options)?, options.fails_fast()?);
    let leaves = Leaves {
        dates: options.pattern("dateFormat")?,
        timestamps: options.pattern("timestampFormat")?,
        ..Leaves::new(Source::Json)
    };
    let texts = arguments[0].as_string::<i32>();
    let mut nodes = Vec::with_capacity(texts.len());
    for text in texts {
        let node = match text.filter(|text| !text.trim().is_empty()) {
            Some(text) => {
                let read = parse(text, rules).and_then(|node| rooted(node, to));
                if read.is_none() && fails_fast {
                    return exec_err!("from_json: the document '{text}' does not have the schema");
                }
                read.or_else(|| nothing(to))
            }
            None => None,
        };
        nodes.push(node);
    }
    let nodes: Vec<Option<&Node<'_>>> = nodes.iter().map(Option::as_ref).collect();
    let values = column(&nodes, to, &leaves)?;
    if fails_fast && leaves.failed.get() {
        return exec_err!("from_json: a value of a document does not have the type that the schema says");
    }
    Ok(values)
}

/// A document of the schema's kind. An object stands for a list of one, where the schema is a list of structs.
fn rooted<'t>(node: Node<'t>, to: &DataType) -> Option<Node<'t>> {
    match (to, &node.kind) {
        (DataType::Struct(_) | DataType::Map(..), Kind::Object(_)) | (DataType::List(_), Kind::List(_)) => Some(node),
        (DataType::List(item), Kind::Object(_)) if matches!(item.data_type(), DataType::Struct(_)) => {
            Some(Node { raw: node.raw, kind: Kind::List(vec![node]) })
        }
        _ => None,
    }
}

/// What a wrong document becomes: a struct of nulls, or null.
pub(super) fn nothing(to: &DataType) -> Option<Node<'static>> {
    matches!(to, DataType::Struct(_)).then_some(Node { raw: "", kind: Kind::Object(Vec::new()) })
}

/// `to_json` takes a struct, a list or a map.
pub(in crate::engine) fn written_type(types: &[DataType]) -> Result<DataType> {
    match types.first() {
        Some(data_type) => writable(data_type).map(|()| DataType::Utf8),
        None => plan_err!("to_json takes a struct, a list or a map"),
    }
}

/// `to_json(value[, options])`.
pub(in crate::engine) fn written(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let writer = Writer::of(&Options::of(arguments.get(1), &WRITING)?)?;
    let mut out = StringBuilder::new();
    let mut text = String::new();
    for row in 0..arguments[0].len() {
        if arguments[0].is_null(row) {
            out.append_null();
            continue;
        }
        text.clear();
        writer.json(&arguments[0], row, &mut text)?;
        out.append_value(&text);
    }
    Ok(Arc::new(out.finish()))
}

/// `schema_of_json(document[, options])`.
pub(in crate::engine) fn found_schema(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let rules = rules(&Options::of(arguments.get(1), &READING)?)?;
    let mut out = StringBuilder::new();
    for text in arguments[0].as_string::<i32>() {
        let Some(text) = text else {
            out.append_null();
            continue;
        };
        let Some(node) = parse(text, rules) else { return exec_err!("schema_of_json: '{text}' is no JSON") };
        out.append_value(schema_text(&schema::Shape::of_json(&node)));
    }
    Ok(Arc::new(out.finish()))
}

fn schema_text(shape: &Shape) -> String {
    match (shape.sql(), shape) {
        (Some(sql), _) => sql,
        (None, Shape::List(_)) => "ARRAY<STRUCT<>>".to_owned(),
        (None, Shape::Object(_)) => "STRUCT<>".to_owned(),
        (None, _) => "STRING".to_owned(),
    }
}
