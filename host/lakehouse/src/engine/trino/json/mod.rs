//! Trino's type JSON and its functions.
//!
//! A value of the type is its text inside of a row with one field, [`FIELD`], so that no text is taken for JSON by mistake. No
//! table keeps the type, in Trino neither: a statement writes it out with `json_format` or a cast.
//!
//! Functions that Trino lets take text take both. Text that is no JSON gives null to those that look for something, and is
//! an error to `json_parse`.

mod cast;
mod path;
mod value;

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray, StructArray};
use datafusion::arrow::compute::cast as arrow_cast;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, exec_err, plan_err};

pub(super) use self::cast::cast;
use self::path::Path;
use self::value::{Json, is_whole};
use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, Text};
use crate::engine::functions::Returns::By;
use crate::engine::functions::{Function, Kind, Rows, type_word};

/// The only field of a JSON value's row.
const FIELD: &str = "$json";

/// The type.
pub(super) fn json() -> DataType {
    DataType::Struct(fields())
}

fn fields() -> Fields {
    Fields::from(vec![Field::new(FIELD, DataType::Utf8, true)])
}

/// Whether a type is JSON.
pub(super) fn is_json(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Struct(fields) if fields.len() == 1 && fields[0].name() == FIELD)
}

/// The result's type by the arguments'.
type Returning = fn(&[DataType]) -> Result<DataType>;

/// Registers the functions.
pub(super) fn register(all: &mut Functions) {
    let functions: [(&'static str, &'static [Kind], Returning, Rows); 12] = [
        ("json_parse", &[Text], |_| Ok(json()), parsed),
        ("json_format", &[Any], of_json, formatted),
        ("json_extract", &[Any, Text], json_of_json, extracted),
        ("json_extract_scalar", &[Any, Text], of_json, extracted_scalar),
        ("json_array_length", &[Any], whole_of_json, list_length),
        ("json_array_contains", &[Any, Any], truth_of_json, list_contains),
        ("json_array_get", &[Any, Kind::Whole], json_of_json, list_element),
        ("json_size", &[Any, Text], whole_of_json, size_at),
        ("is_json_scalar", &[Any], truth_of_json, is_scalar),
        ("json_exists", &[Any, Text], truth_of_json, lax_exists),
        ("json_value", &[Any, Text], of_json, lax_value),
        ("json_query", &[Any, Text], of_json, lax_query),
    ];
    for (name, parameters, returns, rows) in functions {
        all.scalar(&[name], &Function::new(name, parameters, By(returns), rows).build());
    }
}

fn expect(types: &[DataType]) -> Result<()> {
    match types.first() {
        Some(given) if is_json(given) || is_text(given) => Ok(()),
        // Trino cannot tell which of the two it is.
        Some(DataType::Null) => plan_err!("expected JSON or text, not NULL: write CAST(NULL AS varchar)"),
        Some(other) => plan_err!("expected JSON, or text that is JSON, not {}", type_word(other)),
        None => plan_err!("expected JSON"),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn of_json(types: &[DataType]) -> Result<DataType> {
    expect(types).map(|()| DataType::Utf8)
}

fn json_of_json(types: &[DataType]) -> Result<DataType> {
    expect(types).map(|()| json())
}

fn whole_of_json(types: &[DataType]) -> Result<DataType> {
    expect(types).map(|()| DataType::Int64)
}

fn truth_of_json(types: &[DataType]) -> Result<DataType> {
    expect(types).map(|()| DataType::Boolean)
}

/// The texts of JSON values, or texts that may be JSON.
fn texts(values: &ArrayRef) -> Result<StringArray> {
    let Some(rows) = values.as_struct_opt() else {
        return Ok(arrow_cast(values, &DataType::Utf8)?.as_string::<i32>().clone());
    };
    let texts = rows.column(0).as_string::<i32>();
    if rows.null_count() == 0 {
        return Ok(texts.clone());
    }
    Ok((0..rows.len()).map(|row| (rows.is_valid(row) && texts.is_valid(row)).then(|| texts.value(row))).collect())
}

/// Texts as JSON values.
fn values(texts: StringArray) -> Result<ArrayRef> {
    let nulls = texts.nulls().cloned();
    Ok(Arc::new(StructArray::try_new(fields(), vec![Arc::new(texts)], nulls)?))
}

fn parsed(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut parsed = Vec::with_capacity(arguments[0].len());
    for text in arguments[0].as_string::<i32>() {
        parsed.push(match text {
            Some(text) => match Json::parse(text) {
                Some(json) => Some(json.canonical().written()),
                None => return exec_err!("the text '{text}' is no JSON"),
            },
            None => None,
        });
    }
    values(StringArray::from(parsed))
}

fn formatted(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    if arguments[0].as_struct_opt().is_none() && !arguments[0].data_type().is_null() {
        return exec_err!("json_format takes JSON, not text: write json_format(json_parse(…))");
    }
    Ok(Arc::new(texts(&arguments[0])?))
}

/// What a loop finds in the JSON of each row; text that is no JSON has nothing.
fn each<T>(values: &ArrayRef, mut find: impl FnMut(usize, &Json) -> Result<Option<T>>) -> Result<Vec<Option<T>>> {
    let texts = texts(values)?;
    let mut found = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        found.push(match text.and_then(Json::parse) {
            Some(json) => find(row, &json)?,
            None => None,
        });
    }
    Ok(found)
}

/// Reads paths, mostly one and the same.
struct Paths<'a> {
    texts: &'a StringArray,
    read: fn(&str) -> Result<Path>,
    last: Option<(&'a str, Path)>,
}

impl<'a> Paths<'a> {
    fn of(array: &'a ArrayRef, read: fn(&str) -> Result<Path>) -> Self {
        Self { texts: array.as_string(), read, last: None }
    }

    fn at(&mut self, row: usize) -> Result<Option<&Path>> {
        if self.texts.is_null(row) {
            return Ok(None);
        }
        let text = self.texts.value(row);
        if self.last.as_ref().is_none_or(|(last, _)| *last != text) {
            self.last = Some((text, (self.read)(text)?));
        }
        Ok(self.last.as_ref().map(|(_, path)| path))
    }
}

/// The text of a value that is no list, object or null.
fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::Text(text) => Some(text.clone()),
        Json::Number(digits) | Json::Decimal(digits) => Some(digits.clone()),
        Json::Truth(truth) => Some(truth.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    }
}

fn extracted(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut paths = Paths::of(&arguments[1], Path::parse);
    let found =
        each(&arguments[0], |row, json| Ok(paths.at(row)?.and_then(|path| path.find(json)).map(Json::written)))?;
    values(StringArray::from(found))
}

fn extracted_scalar(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut paths = Paths::of(&arguments[1], Path::parse);
    let found = each(&arguments[0], |row, json| Ok(paths.at(row)?.and_then(|path| path.find(json)).and_then(scalar)))?;
    Ok(Arc::new(StringArray::from(found)))
}

fn list_length(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let lengths = each(&arguments[0], |_, json| {
        Ok(match json {
            Json::List(items) => i64::try_from(items.len()).ok(),
            _ => None,
        })
    })?;
    Ok(Arc::new(Int64Array::from(lengths)))
}

/// `json_array_get(list, place)`: from 0, or from -1 at the end.
fn list_element(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let places = arguments[1].as_primitive::<datafusion::arrow::datatypes::Int64Type>();
    let found = each(&arguments[0], |row, json| {
        let Json::List(items) = json else { return Ok(None) };
        if places.is_null(row) {
            return Ok(None);
        }
        let place = places.value(row);
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let place = if place < 0 { length + place } else { place };
        let found = usize::try_from(place).ok().and_then(|place| items.get(place));
        Ok(found.filter(|found| **found != Json::Null).map(Json::written))
    })?;
    values(StringArray::from(found))
}

fn list_contains(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let wanted = &arguments[1];
    let texts = is_text(wanted.data_type()).then(|| arrow_cast(wanted, &DataType::Utf8)).transpose()?;
    let wholes = wanted.data_type().is_integer().then(|| arrow_cast(wanted, &DataType::Int64)).transpose()?;
    let doubles = wanted.data_type().is_floating().then(|| arrow_cast(wanted, &DataType::Float64)).transpose()?;
    let truths = wanted.as_boolean_opt();
    if texts.is_none() && wholes.is_none() && doubles.is_none() && truths.is_none() {
        return exec_err!(
            "json_array_contains looks for text, a whole number, a double or a boolean, not {}",
            type_word(wanted.data_type())
        );
    }
    let found = each(&arguments[0], |row, json| {
        let Json::List(items) = json else { return Ok(None) };
        if wanted.is_null(row) {
            return Ok(None);
        }
        Ok(Some(items.iter().any(|item| match item {
            Json::Text(text) => texts.as_ref().is_some_and(|wanted| wanted.as_string::<i32>().value(row) == text),
            Json::Truth(truth) => truths.is_some_and(|wanted| wanted.value(row) == *truth),
            Json::Number(digits) => {
                let whole = wholes
                    .as_ref()
                    .map(|wanted| wanted.as_primitive::<datafusion::arrow::datatypes::Int64Type>().value(row));
                let double = doubles
                    .as_ref()
                    .map(|wanted| wanted.as_primitive::<datafusion::arrow::datatypes::Float64Type>().value(row));
                // A whole number is no double to Trino here, and the other way round.
                match (whole, double) {
                    (Some(whole), _) => is_whole(digits) && digits.parse() == Ok(whole),
                    (_, Some(double)) => !is_whole(digits) && digits.parse() == Ok(double),
                    _ => false,
                }
            }
            _ => false,
        })))
    })?;
    Ok(Arc::new(BooleanArray::from(found)))
}

fn size_at(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut paths = Paths::of(&arguments[1], Path::parse);
    let sizes = each(&arguments[0], |row, json| {
        Ok(paths.at(row)?.and_then(|path| path.find(json)).and_then(|found| match found {
            Json::List(items) => i64::try_from(items.len()).ok(),
            Json::Object(fields) => i64::try_from(fields.len()).ok(),
            _ => Some(0),
        }))
    })?;
    Ok(Arc::new(Int64Array::from(sizes)))
}

fn is_scalar(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let texts = texts(&arguments[0])?;
    let mut scalars = Vec::with_capacity(texts.len());
    for text in &texts {
        scalars.push(match text {
            Some(text) => match Json::parse(text) {
                Some(json) => Some(json.is_scalar()),
                None => return exec_err!("the text '{text}' is no JSON"),
            },
            None => None,
        });
    }
    Ok(Arc::new(BooleanArray::from(scalars)))
}

/// Found nothing in what is no JSON: false, as SQL says of an error.
fn lax_exists(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut paths = Paths::of(&arguments[1], Path::parse_lax);
    let found = each(&arguments[0], |row, json| Ok(paths.at(row)?.map(|path| !path.find_lax(json).is_empty())))?;
    let given = &arguments[0];
    let found: BooleanArray =
        found.into_iter().enumerate().map(|(row, found)| found.or(given.is_valid(row).then_some(false))).collect();
    Ok(Arc::new(found))
}

/// Null where there is not exactly one value, or it is a list or an object.
fn lax_value(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut paths = Paths::of(&arguments[1], Path::parse_lax);
    let found = each(&arguments[0], |row, json| {
        Ok(paths.at(row)?.and_then(|path| match path.find_lax(json).as_slice() {
            [one] => scalar(one),
            _ => None,
        }))
    })?;
    Ok(Arc::new(StringArray::from(found)))
}

fn lax_query(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut paths = Paths::of(&arguments[1], Path::parse_lax);
    let found = each(&arguments[0], |row, json| {
        Ok(paths.at(row)?.and_then(|path| match path.find_lax(json).as_slice() {
            [one] => Some(one.written()),
            _ => None,
        }))
    })?;
    Ok(Arc::new(StringArray::from(found)))
}
