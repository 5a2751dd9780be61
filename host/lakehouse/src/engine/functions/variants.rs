//! Spark's variants: documents that are taken apart by path and type.
//!
//! A variant is a struct of one text, its JSON with members in order of their names; no table keeps it ([`crate::engine::output`]
//! refuses names that begin with `$`), so it only stands between two functions. Numbers are whole (64 bits), decimal (38 digits), or
//! doubles where they have an exponent or are larger, as Spark's parser makes them.

use std::cell::Cell;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray, StringBuilder, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::documents::json::{Kind, Node, Rules, double, parse, write_text};
use super::documents::options::Options;
use super::documents::schema::{Shape, quoted, written_out};
use super::documents::values::{cast_text, column_with, readable};
use super::documents::written::Writer;
use super::text::value;
use super::type_word;
use crate::engine::cast::reads;

const FIELD: &str = "$variant";

/// Whether a type is a variant's.
pub(in crate::engine) fn is_variant(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Struct(fields) if matches!(fields.as_ref(), [field] if field.name() == FIELD))
}

fn fields() -> Fields {
    Fields::from(vec![Field::new(FIELD, DataType::Utf8, true)])
}

pub(in crate::engine) fn variant_type() -> DataType {
    DataType::Struct(fields())
}

/// The JSON of a variant; none: it is null, or no variant.
pub(in crate::engine) fn text_of_variant(array: &ArrayRef, row: usize) -> Option<&str> {
    let parts = array.as_struct_opt()?;
    let texts = parts.columns().first()?.as_string_opt::<i32>()?;
    (parts.is_valid(row) && texts.is_valid(row)).then(|| texts.value(row))
}

/// A variant as JSON.
pub(in crate::engine) fn json_of_variant(array: &ArrayRef, row: usize) -> String {
    let tree = text_of_variant(array, row).and_then(|text| parse(text, Rules::default()));
    tree.map_or_else(|| "null".to_owned(), |tree| shown(&tree))
}

fn variants(texts: Vec<Option<String>>) -> Result<ArrayRef> {
    let valid: Vec<bool> = texts.iter().map(Option::is_some).collect();
    let texts: ArrayRef = Arc::new(StringArray::from(texts));
    Ok(Arc::new(StructArray::try_new(fields(), vec![texts], Some(valid.into()))?))
}

/// `parse_json(text)`.
pub(in crate::engine) fn parsed(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    read(arguments, |text| exec_err!("parse_json: '{text}' is no JSON: use try_parse_json, which gives null"))
}

/// `try_parse_json(text)`.
pub(in crate::engine) fn tried(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    read(arguments, |_| Ok(()))
}

fn read(arguments: &[ArrayRef], missing: impl Fn(&str) -> Result<()>) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(arguments[0].len());
    for text in arguments[0].as_string::<i32>() {
        let Some(text) = text else {
            out.push(None);
            continue;
        };
        let mut json = String::new();
        let is_json = parse(text, Rules::default()).is_some_and(|node| normal(&node, &mut json));
        if !is_json {
            missing(text)?;
        }
        out.push(is_json.then_some(json));
    }
    variants(out)
}

/// Members in order of their names. False: two members have one name.
fn normal(node: &Node<'_>, out: &mut String) -> bool {
    in_order(node, &|number| number.text(), out)
}

/// As a statement sees it.
fn shown(node: &Node<'_>) -> String {
    let mut out = String::new();
    in_order(node, &|number| number.shown(), &mut out);
    out
}

fn in_order(node: &Node<'_>, number: &dyn Fn(&Number) -> String, out: &mut String) -> bool {
    match &node.kind {
        Kind::Text(text) => write_text(text, out),
        Kind::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                if !in_order(item, number, out) {
                    return false;
                }
            }
            out.push(']');
        }
        Kind::Object(members) => {
            let mut members: Vec<&(String, Node<'_>)> = members.iter().collect();
            members.sort_by(|(left, _), (right, _)| left.cmp(right));
            if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return false;
            }
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                if !in_order(value, number, out) {
                    return false;
                }
            }
            out.push('}');
        }
        Kind::Number => out.push_str(&number(&Number::of(node.raw))),
        _ => out.push_str(node.raw),
    }
    true
}

/// A number of a variant.
enum Number {
    Long(i64),
    /// Its text, digits and scale.
    Decimal(String, usize, usize),
    Double(f64),
}

impl Number {
    fn of(raw: &str) -> Self {
        if let Ok(long) = raw.parse() {
            return Self::Long(long);
        }
        let digits = raw.trim_start_matches('-');
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        let used = all.trim_start_matches('0').len().max(1);
        let is_plain = all.bytes().all(|digit| digit.is_ascii_digit());
        if is_plain && used <= 38 && fraction.len() <= 38 {
            return Self::Decimal(raw.to_owned(), used.max(fraction.len()), fraction.len());
        }
        Self::Double(raw.parse().unwrap_or(f64::NAN))
    }

    /// From which the same number comes again.
    fn text(&self) -> String {
        match self {
            Self::Long(long) => long.to_string(),
            Self::Decimal(text, ..) => text.clone(),
            Self::Double(value) => format!("{value:e}"),
        }
    }

    /// As text that a statement sees: a decimal without zeros at its end.
    fn shown(&self) -> String {
        match self {
            Self::Decimal(text, ..) if text.contains('.') => {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
            Self::Double(value) => double(*value),
            other => other.text(),
        }
    }
}

/// `is_variant_null(variant)`: of JSON's null; false for no value.
pub(in crate::engine) fn is_null(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let nulls: BooleanArray =
        (0..arguments[0].len()).map(|row| Some(text_of_variant(&arguments[0], row) == Some("null"))).collect();
    Ok(Arc::new(nulls))
}

/// Refuses what is no variant.
fn taken(types: &[DataType]) -> Result<()> {
    match types.first() {
        Some(data_type) if is_variant(data_type) || data_type.is_null() => Ok(()),
        Some(other) => plan_err!("expected a variant, such as parse_json gives, not {}", type_word(other)),
        None => plan_err!("expected a variant"),
    }
}

pub(in crate::engine) fn truth_type(types: &[DataType]) -> Result<DataType> {
    taken(types).map(|()| DataType::Boolean)
}

pub(in crate::engine) fn schema_type(types: &[DataType]) -> Result<DataType> {
    taken(types).map(|()| DataType::Utf8)
}

/// The type of `variant_get(variant, path[, type])`.
pub(in crate::engine) fn part_type(types: &[DataType], values: &[Option<&ScalarValue>]) -> Result<DataType> {
    taken(types)?;
    if types.len() < 3 {
        return Ok(variant_type());
    }
    if let Some(Some(text)) = values.get(2).copied().flatten().and_then(ScalarValue::try_as_str)
        && text.trim().eq_ignore_ascii_case("variant")
    {
        return Ok(variant_type());
    }
    let to = written_out(values, 2)?;
    readable(&to)?;
    Ok(to)
}

/// `variant_get(variant, path[, type])`.
pub(in crate::engine) fn part(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let failed = Cell::new(false);
    let values = parts(arguments, to, &failed)?;
    if failed.get() {
        return exec_err!("a value of the variant is no {}: use try_variant_get, which gives null", type_word(to));
    }
    Ok(values)
}

/// `try_variant_get`.
pub(in crate::engine) fn tried_part(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    parts(arguments, to, &Cell::new(false))
}

fn parts(arguments: &[ArrayRef], to: &DataType, failed: &Cell<bool>) -> Result<ArrayRef> {
    let paths = arguments[1].as_string::<i32>();
    let texts: Vec<Option<&str>> = (0..paths.len()).map(|row| text_of_variant(&arguments[0], row)).collect();
    let trees: Vec<Option<Node<'_>>> =
        texts.iter().map(|text| text.and_then(|text| parse(text, Rules::default()))).collect();
    let mut found = Vec::with_capacity(trees.len());
    for (row, tree) in trees.iter().enumerate() {
        let (Some(tree), Some(path_text)) = (tree, value(paths, row)) else {
            found.push(None);
            continue;
        };
        let Some(path) = path(path_text) else {
            return exec_err!("'{path_text}' is no path of a variant: expected $.name, $['name'] or $[0]");
        };
        found.push(path.iter().try_fold(tree, |node, step| step.taken(node)));
    }
    if is_variant(to) {
        return variants(found.into_iter().map(|node| node.map(|node| node.raw.to_owned())).collect());
    }
    column_with(&found, to, &leaf, failed)
}

enum Step {
    Member(String),
    Item(usize),
}

impl Step {
    fn taken<'n, 't>(&self, node: &'n Node<'t>) -> Option<&'n Node<'t>> {
        match (self, &node.kind) {
            (Self::Member(name), Kind::Object(members)) => {
                members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
            }
            (Self::Item(index), Kind::List(items)) => items.get(*index),
            _ => None,
        }
    }
}

fn path(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            steps.push(Step::Member(name.get(..end).filter(|name| !name.is_empty())?.to_owned()));
            rest = &name[end..];
            continue;
        }
        let inside = rest.strip_prefix('[')?;
        let (step, behind) = match inside.chars().next()? {
            quote @ ('\'' | '"') => {
                let (name, behind) = inside[1..].split_once(quote)?;
                (Step::Member(name.to_owned()), behind.strip_prefix(']')?)
            }
            _ => {
                let (index, behind) = inside.split_once(']')?;
                (Step::Item(index.parse().ok()?), behind)
            }
        };
        steps.push(step);
        rest = behind;
    }
    Some(steps)
}

/// A value of a variant as a type; none: it is no such value.
fn leaf(node: &Node<'_>, to: &DataType) -> Option<ScalarValue> {
    match &node.kind {
        Kind::Text(text) if *to == DataType::Utf8 => Some(ScalarValue::Utf8(Some(text.clone()))),
        Kind::Text(text) if *to != DataType::Binary => cast_text(text, to),
        Kind::Truth(truth) => match to {
            DataType::Boolean => Some(ScalarValue::Boolean(Some(*truth))),
            DataType::Utf8 => Some(ScalarValue::Utf8(Some(truth.to_string()))),
            number if number.is_numeric() => cast_text(if *truth { "1" } else { "0" }, number),
            _ => None,
        },
        Kind::Number => number(&Number::of(node.raw), to),
        Kind::List(_) | Kind::Object(_) if *to == DataType::Utf8 => Some(ScalarValue::Utf8(Some(shown(node)))),
        _ => None,
    }
}

fn number(number: &Number, to: &DataType) -> Option<ScalarValue> {
    match to {
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(number.shown()))),
        DataType::Boolean => Some(ScalarValue::Boolean(Some(match number {
            Number::Long(long) => *long != 0,
            Number::Decimal(text, ..) => text.bytes().any(|digit| matches!(digit, b'1'..=b'9')),
            Number::Double(value) => *value != 0.0,
        }))),
        // What is behind the point is cut off.
        whole if whole.is_integer() => {
            let text = match number {
                Number::Long(long) => long.to_string(),
                Number::Decimal(text, ..) => text.split('.').next().unwrap_or_default().to_owned(),
                Number::Double(value) => format!("{:.0}", value.trunc()),
            };
            cast_text(&text, whole)
        }
        DataType::Float32 | DataType::Float64 => cast_text(&number.text(), to),
        DataType::Decimal128(precision, scale) => {
            let value = reads::decimal(&number.text(), *precision, *scale)?;
            Some(ScalarValue::Decimal128(Some(value), *precision, *scale))
        }
        DataType::Timestamp(_, Some(zone)) => match number {
            Number::Long(seconds) => {
                let micros = seconds.checked_mul(crate::engine::calendar::SECOND)?;
                Some(ScalarValue::TimestampMicrosecond(Some(micros), Some(Arc::clone(zone))))
            }
            _ => None,
        },
        _ => None,
    }
}

fn shape(node: &Node<'_>) -> Shape {
    match &node.kind {
        Kind::Null => Shape::Nothing,
        Kind::Truth(_) => Shape::Truth,
        Kind::Text(_) => Shape::Text,
        Kind::Number => match Number::of(node.raw) {
            Number::Long(_) => Shape::Long,
            Number::Decimal(_, precision, scale) => Shape::Decimal(precision, scale),
            Number::Double(_) => Shape::Double,
        },
        Kind::List(items) => {
            Shape::List(Box::new(items.iter().map(shape).fold(Shape::Nothing, |all, item| all.with_or(item, &ANY))))
        }
        Kind::Object(members) => {
            let fields = members.iter().map(|(name, value)| (name.clone(), shape(value)));
            Shape::Object(fields.collect())
        }
    }
}

/// What has values of types that no type has both of.
const ANY: Shape = Shape::Other("VARIANT");

fn schema_text(shape: &Shape) -> String {
    match shape {
        Shape::Nothing => "VOID".to_owned(),
        Shape::List(item) => format!("ARRAY<{}>", schema_text(item)),
        Shape::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, shape)| format!("{}: {}", quoted(name), schema_text(shape))).collect();
            format!("OBJECT<{}>", fields.join(", "))
        }
        other => other.sql().unwrap_or_default(),
    }
}

/// `schema_of_variant(variant)`.
pub(in crate::engine) fn schema(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut out = StringBuilder::new();
    for row in 0..arguments[0].len() {
        let tree = text_of_variant(&arguments[0], row).and_then(|text| parse(text, Rules::default()));
        out.append_option(tree.map(|tree| schema_text(&shape(&tree))));
    }
    Ok(Arc::new(out.finish()))
}

/// Of all variants of a group: `schema_of_variant_agg`.
pub(in crate::engine) fn schema_of_all(variants: &ArrayRef) -> String {
    let trees = (0..variants.len()).filter_map(|row| parse(text_of_variant(variants, row)?, Rules::default()));
    let all = trees.map(|tree| shape(&tree)).fold(Shape::Nothing, |all, tree| all.with_or(tree, &ANY));
    schema_text(&all)
}

/// `to_variant_object` takes what JSON has.
pub(in crate::engine) fn object_type(types: &[DataType]) -> Result<DataType> {
    fn is_plain(data_type: &DataType) -> bool {
        match data_type {
            DataType::Struct(fields) => fields.iter().all(|field| is_plain(field.data_type())),
            DataType::List(item) => is_plain(item.data_type()),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(parts) if parts.len() == 2 => {
                    *parts[0].data_type() == DataType::Utf8 && is_plain(parts[1].data_type())
                }
                _ => false,
            },
            other => {
                other.is_integer()
                    || matches!(other, DataType::Utf8 | DataType::Boolean | DataType::Decimal128(..) | DataType::Null)
            }
        }
    }
    match types.first() {
        Some(data_type) if data_type.is_nested() && is_plain(data_type) => Ok(variant_type()),
        Some(other) => {
            plan_err!("to_variant_object takes lists, structs and maps of what JSON has, not {}", type_word(other))
        }
        None => plan_err!("to_variant_object takes a value"),
    }
}

pub(in crate::engine) fn object(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut writer = Writer::of(&Options::default())?;
    writer.keeps_nulls = true;
    let mut out = Vec::with_capacity(arguments[0].len());
    for row in 0..arguments[0].len() {
        if arguments[0].is_null(row) {
            out.push(None);
            continue;
        }
        let mut text = String::new();
        writer.json(&arguments[0], row, &mut text)?;
        let mut json = String::new();
        let is_json = parse(&text, Rules::default()).is_some_and(|node| normal(&node, &mut json));
        if !is_json {
            return exec_err!("to_variant_object: two members have one name");
        }
        out.push(Some(json));
    }
    variants(out)
}
