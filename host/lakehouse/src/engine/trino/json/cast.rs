//! Casts from JSON and to it.

use std::any::Any;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::cast as arrow_cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::value::{Json, is_whole};
use super::{is_json, is_text, texts, values};
use crate::engine::cast as casts;
use crate::engine::functions::{over_rows, type_word};
use crate::engine::meaning::Typed;
use crate::engine::numbers::Missing;
use crate::engine::numbers::decimal::Rules;

/// The expression for a cast of which one side is JSON.
pub(in crate::engine::trino) fn cast(value: Typed, to: &DataType, missing: Missing) -> Result<Expr> {
    if is_json(&value.data_type) && is_json(to) {
        return Ok(value.expr);
    }
    let fits = if is_json(to) { has_json(&value.data_type) } else { is_of_json(to) };
    if !fits {
        return plan_err!("{} is not cast to {} here", word(&value.data_type), word(to));
    }
    let cast = Cast { to: to.clone(), missing, signature: Signature::any(1, Volatility::Immutable) };
    let function = Arc::new(ScalarUDF::new_from_impl(cast));
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![value.expr])))
}

fn word(data_type: &DataType) -> String {
    if is_json(data_type) { "JSON".to_owned() } else { type_word(data_type) }
}

/// Whether values of a type can be JSON.
fn has_json(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) => has_json(item.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(parts) => is_text(parts[0].data_type()) && has_json(parts[1].data_type()),
            _ => false,
        },
        DataType::Struct(parts) => parts.iter().all(|part| has_json(part.data_type())),
        other => {
            other.is_null()
                || other.is_numeric()
                || is_text(other)
                || matches!(other, DataType::Boolean | DataType::Date32 | DataType::Timestamp(_, None))
        }
    }
}

/// Whether JSON can be a value of a type.
fn is_of_json(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) => is_of_json(item.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(parts) => is_text(parts[0].data_type()) && is_of_json(parts[1].data_type()),
            _ => false,
        },
        DataType::Struct(parts) => parts.iter().all(|part| is_of_json(part.data_type())) || is_json(data_type),
        other => other.is_numeric() || is_text(other) || matches!(other, DataType::Boolean),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Cast {
    to: DataType,
    missing: Missing,
    signature: Signature,
}

impl ScalarUDFImpl for Cast {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &'static str {
        "$json_cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_rows(&args, |operands| match operands {
            [values] => self.evaluate(values),
            _ => internal_err!("a cast has one operand"),
        })
    }
}

impl Cast {
    fn evaluate(&self, given: &ArrayRef) -> Result<ArrayRef> {
        if is_json(&self.to) {
            let mut written = Vec::with_capacity(given.len());
            for row in 0..given.len() {
                written.push(if given.is_null(row) { None } else { Some(json_of(given, row)?.written()) });
            }
            return values(StringArray::from(written));
        }
        let texts = texts(given)?;
        let mut found = Vec::with_capacity(texts.len());
        for text in &texts {
            let value = match text.and_then(Json::parse) {
                None | Some(Json::Null) => ScalarValue::try_from(&self.to)?,
                Some(json) => match (value_of(&json, &self.to)?, self.missing) {
                    (Some(value), _) => value,
                    (None, Missing::Null) => ScalarValue::try_from(&self.to)?,
                    (None, Missing::Error) => {
                        return exec_err!("the JSON '{}' cannot be cast to {}", json.written(), word(&self.to));
                    }
                },
            };
            found.push(value);
        }
        if found.is_empty() {
            return Ok(datafusion::arrow::array::new_empty_array(&self.to));
        }
        let found = ScalarValue::iter_to_array(found)?;
        Ok(arrow_cast(&found, &self.to)?)
    }
}

/// A value of a row as JSON; a null inside of a list, map or row is JSON's null.
fn json_of(values: &ArrayRef, row: usize) -> Result<Json> {
    if values.is_null(row) {
        return Ok(Json::Null);
    }
    Ok(match values.data_type() {
        own if is_json(own) => match Json::parse(values.as_struct().column(0).as_string::<i32>().value(row)) {
            Some(json) => json,
            None => return internal_err!("a JSON value is JSON"),
        },
        DataType::Boolean => Json::Truth(values.as_boolean().value(row)),
        DataType::List(_) => {
            let items = values.as_list::<i32>().value(row);
            Json::List((0..items.len()).map(|item| json_of(&items, item)).collect::<Result<_>>()?)
        }
        DataType::Map(..) => {
            let entries = values.as_map().value(row);
            let keys = arrow_cast(entries.column(0), &DataType::Utf8)?;
            let keys = keys.as_string::<i32>();
            let fields = (0..entries.len())
                .map(|entry| Ok((keys.value(entry).to_owned(), json_of(entries.column(1), entry)?)))
                .collect::<Result<Vec<_>>>()?;
            Json::Object(fields).canonical()
        }
        DataType::Struct(parts) => {
            let columns = values.as_struct().columns();
            let fields = parts.iter().zip(columns);
            Json::Object(
                fields.map(|(part, column)| Ok((part.name().clone(), json_of(column, row)?))).collect::<Result<_>>()?,
            )
        }
        number if number.is_numeric() => {
            let one = values.slice(row, 1);
            if number.is_floating() {
                let value = arrow_cast(&one, &DataType::Float64)?.as_primitive::<Float64Type>().value(0);
                if value.is_finite() { Json::Number(value_text(&one)?) } else { Json::Text(value_text(&one)?) }
            } else if number.is_decimal() {
                Json::Decimal(value_text(&one)?)
            } else {
                Json::Number(value_text(&one)?)
            }
        }
        DataType::Timestamp(..) | DataType::Date32 => Json::Text(value_text(&values.slice(row, 1))?),
        _ => Json::Text(value_text(&values.slice(row, 1))?),
    })
}

/// The only value as Java, or Trino for moments, writes it.
fn value_text(one: &ArrayRef) -> Result<String> {
    let rules = if one.data_type().is_floating() { Rules::Spark } else { Rules::Trino };
    let text = casts::text_of(one, rules)?;
    Ok(text.as_string::<i32>().value(0).to_owned())
}

/// None: the JSON is no value of that type.
fn value_of(json: &Json, to: &DataType) -> Result<Option<ScalarValue>> {
    if is_json(to) {
        let value = values(StringArray::from(vec![json.written()]))?;
        return Ok(Some(ScalarValue::try_from_array(&value, 0)?));
    }
    if matches!(json, Json::Null) {
        return Ok(Some(ScalarValue::try_from(to)?));
    }
    Ok(match (to, json) {
        (DataType::List(item), Json::List(items)) => {
            let Some(values) = all(items.iter().map(|json| value_of(json, item.data_type())))? else {
                return Ok(None);
            };
            Some(ScalarValue::List(ScalarValue::new_list(&values, item.data_type(), true)))
        }
        (DataType::Map(entries, sorted), Json::Object(fields)) => return map_of(entries, *sorted, fields),
        (DataType::Struct(parts), Json::Object(fields)) => {
            let values = parts.iter().map(|part| {
                let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(part.name()));
                value_of(found.map_or(&Json::Null, |(_, value)| value), part.data_type())
            });
            row_of(parts, all(values)?)?
        }
        (DataType::Struct(parts), Json::List(items)) if parts.len() == items.len() => {
            let values = parts.iter().zip(items).map(|(part, json)| value_of(json, part.data_type()));
            row_of(parts, all(values)?)?
        }
        (DataType::Boolean, json) => truth(json).map(|truth| ScalarValue::Boolean(Some(truth))),
        (to, json) if is_text(to) => text(json)?.map(|text| ScalarValue::Utf8(Some(text))),
        (to, json) if to.is_numeric() => number(json, to)?,
        _ => None,
    })
}

fn all(values: impl Iterator<Item = Result<Option<ScalarValue>>>) -> Result<Option<Vec<ScalarValue>>> {
    let values = values.collect::<Result<Vec<_>>>()?;
    Ok(values.into_iter().collect())
}

fn row_of(
    parts: &datafusion::arrow::datatypes::Fields,
    values: Option<Vec<ScalarValue>>,
) -> Result<Option<ScalarValue>> {
    let Some(values) = values else { return Ok(None) };
    let columns = values.iter().map(ScalarValue::to_array).collect::<Result<Vec<_>>>()?;
    let row = datafusion::arrow::array::StructArray::try_new(parts.clone(), columns, None)?;
    Ok(Some(ScalarValue::Struct(Arc::new(row))))
}

fn map_of(entries: &Arc<Field>, sorted: bool, fields: &[(String, Json)]) -> Result<Option<ScalarValue>> {
    let DataType::Struct(parts) = entries.data_type() else { return internal_err!("a map has entries") };
    let values = fields.iter().map(|(_, json)| value_of(json, parts[1].data_type()));
    let Some(values) = all(values)? else { return Ok(None) };
    let keys: ArrayRef = Arc::new(StringArray::from_iter_values(fields.iter().map(|(name, _)| name)));
    let values = if values.is_empty() {
        datafusion::arrow::array::new_empty_array(parts[1].data_type())
    } else {
        arrow_cast(&ScalarValue::iter_to_array(values)?, parts[1].data_type())?
    };
    let rows = datafusion::arrow::array::StructArray::try_new(parts.clone(), vec![keys, values], None)?;
    let offsets = datafusion::arrow::buffer::OffsetBuffer::from_lengths([fields.len()]);
    let map = datafusion::arrow::array::MapArray::try_new(Arc::clone(entries), offsets, rows, None, sorted)?;
    Ok(Some(ScalarValue::Map(Arc::new(map))))
}

fn truth(json: &Json) -> Option<bool> {
    match json {
        Json::Truth(truth) => Some(*truth),
        Json::Number(digits) => digits.parse::<f64>().ok().map(|value| value != 0.0),
        Json::Text(text) if ["true", "t", "1"].iter().any(|word| text.eq_ignore_ascii_case(word)) => Some(true),
        Json::Text(text) if ["false", "f", "0"].iter().any(|word| text.eq_ignore_ascii_case(word)) => Some(false),
        _ => None,
    }
}

/// Of a fraction: as Trino writes a double.
fn text(json: &Json) -> Result<Option<String>> {
    Ok(match json {
        Json::Text(text) => Some(text.clone()),
        Json::Truth(truth) => Some(truth.to_string()),
        Json::Number(digits) if is_whole(digits) => Some(digits.clone()),
        Json::Number(digits) => match digits.parse::<f64>() {
            Ok(value) => {
                let value: ArrayRef = Arc::new(datafusion::arrow::array::Float64Array::from(vec![value]));
                Some(casts::text_of(&value, Rules::Trino)?.as_string::<i32>().value(0).to_owned())
            }
            Err(_) => None,
        },
        _ => None,
    })
}

/// Rounded from a half on away from zero where the type has no fraction.
fn number(json: &Json, to: &DataType) -> Result<Option<ScalarValue>> {
    let digits = match json {
        Json::Truth(truth) => if *truth { "1" } else { "0" }.to_owned(),
        Json::Number(digits) if to.is_integer() && !is_whole(digits) => match digits.parse::<f64>() {
            Ok(value) => format!("{:.0}", value.round()),
            Err(_) => return Ok(None),
        },
        Json::Number(digits) => digits.clone(),
        Json::Text(text) => text.clone(),
        _ => return Ok(None),
    };
    let text: ArrayRef = Arc::new(StringArray::from(vec![digits]));
    let read = casts::read_text(&text, to, Rules::Trino)?;
    read.is_valid(0).then(|| ScalarValue::try_from_array(&read, 0)).transpose()
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    #[test]
    fn only_types_with_a_json_form_are_cast() {
        assert!(has_json(&DataType::new_list(DataType::Int64, true)) && is_of_json(&json()));
        assert!(!has_json(&DataType::Binary) && !is_of_json(&DataType::Date32));
    }
}
