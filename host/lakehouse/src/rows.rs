//! Small results as JSON, and rows of a request as Arrow.

use std::io::Cursor;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_cast::cast;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_json::WriterBuilder;
use arrow_json::writer::JsonArray;
use arrow_schema::{ArrowError, DataType, FieldRef, Fields, Schema};
use asgard_contract::{Error, Result};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::{Map, Value};

use crate::far_times;
use crate::floats::Floats;

/// Digits of a decimal that a number of JSON keeps for every reader: most read it as 64-bit floating point.
const DIGITS_OF_A_NUMBER: u32 = 15;

/// The rows of an Arrow IPC stream as JSON objects. Nulls are there; times are RFC 3339. A column of decimals is one of texts
/// when one of its values has more than 15 digits: as a number it would be another value. NaN and infinities are texts too ([`Floats`]).
///
/// # Errors
/// `internal` when it is no Arrow IPC stream.
pub fn rows_to_json(ipc: &[u8]) -> Result<Vec<Map<String, Value>>> {
    let failed = |error: ArrowError| Error::internal(format!("the rows cannot be read: {error}"));
    let reader = StreamReader::try_new(Cursor::new(ipc), None).map_err(failed)?;
    let fields = reader.schema().fields().clone();
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>().map_err(failed)?;
    let fields: Fields = fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let long = batches.iter().any(|batch| has_long_decimal(batch.column(index)));
            if long { Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)) } else { text_keyed(field) }
        })
        .collect();
    let writer = WriterBuilder::new().with_explicit_nulls(true).with_encoder_factory(Arc::new(Floats));
    let mut writer = writer.build::<_, JsonArray>(Vec::new());
    for batch in batches {
        let batch = with_fields(&batch, &fields).and_then(|batch| with_far_times(&batch)).map_err(failed)?;
        writer.write(&batch).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    let text = writer.into_inner();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&text).map_err(|error| Error::internal(format!("the rows cannot be read: {error}")))
}

fn has_long_decimal(column: &ArrayRef) -> bool {
    let largest = 10_u128.pow(DIGITS_OF_A_NUMBER);
    let decimals = column.as_any().downcast_ref::<Decimal128Array>();
    decimals.is_some_and(|decimals| decimals.iter().flatten().any(|value| value.unsigned_abs() >= largest))
}

/// A batch whose columns are of these types.
fn with_fields(batch: &RecordBatch, fields: &Fields) -> std::result::Result<RecordBatch, ArrowError> {
    if fields == batch.schema().fields() {
        return Ok(batch.clone());
    }
    let columns = batch.columns().iter().zip(fields).map(|(column, field)| cast(column, field.data_type()));
    let columns = columns.collect::<std::result::Result<_, _>>()?;
    RecordBatch::try_new(Arc::new(Schema::new(fields.clone())), columns)
}

fn with_far_times(batch: &RecordBatch) -> std::result::Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(far_times::as_texts).collect::<std::result::Result<Vec<_>, _>>()?;
    let fields = batch.schema_ref().fields().iter().zip(&columns);
    let fields: Fields =
        fields.map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone())).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// The field with text for the keys of its maps, as JSON's objects have it.
fn text_keyed(field: &FieldRef) -> FieldRef {
    let of = match field.data_type() {
        DataType::List(element) => DataType::List(text_keyed(element)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(text_keyed).collect()),
        DataType::Map(entry, sorted) => {
            let DataType::Struct(fields) = entry.data_type() else { return Arc::clone(field) };
            let [key, value] = fields.as_ref() else { return Arc::clone(field) };
            let key = Arc::new(key.as_ref().clone().with_data_type(DataType::Utf8));
            let fields = Fields::from(vec![key, text_keyed(value)]);
            DataType::Map(Arc::new(entry.as_ref().clone().with_data_type(DataType::Struct(fields))), *sorted)
        }
        _ => return Arc::clone(field),
    };
    Arc::new(field.as_ref().clone().with_data_type(of))
}

/// JSON objects as an Arrow IPC stream: one column per name, typed by its values; `timestamp` is read as points in time.
///
/// # Errors
/// `invalid-input` with row and column as field.
pub fn rows_from_json(rows: &[Map<String, Value>], timestamp: &str) -> Result<Vec<u8>> {
    let mut names: Vec<&String> = Vec::new();
    for name in rows.iter().flat_map(Map::keys) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(Error::InvalidInput { field: None, message: "the rows have no column".to_owned() });
    }
    let columns = names
        .into_iter()
        .map(|name| {
            let values: Vec<&Value> = rows.iter().map(|row| row.get(name).unwrap_or(&Value::Null)).collect();
            let array = if name == timestamp { times(name, &values)? } else { column(name, &values)? };
            Ok((name, array))
        })
        .collect::<Result<Vec<_>>>()?;
    let failed = |error: arrow_schema::ArrowError| Error::internal(error.to_string());
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.map_err(failed)?;
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).map_err(failed)?;
    writer.write(&batch).and_then(|()| writer.finish()).map_err(failed)?;
    writer.into_inner().map_err(failed)
}

/// The narrowest type that has all values of the column.
fn column(name: &str, values: &[&Value]) -> Result<ArrayRef> {
    let present = || values.iter().filter(|value| !value.is_null());
    let all = |is: fn(&Value) -> bool| present().all(|value| is(value));
    if present().next().is_some() {
        if all(Value::is_boolean) {
            return Ok(Arc::new(values.iter().map(|value| value.as_bool()).collect::<BooleanArray>()));
        }
        if all(Value::is_i64) {
            return Ok(Arc::new(values.iter().map(|value| value.as_i64()).collect::<Int64Array>()));
        }
        if all(Value::is_number) {
            return Ok(Arc::new(values.iter().map(|value| value.as_f64()).collect::<Float64Array>()));
        }
    }
    if all(Value::is_string) {
        return Ok(Arc::new(values.iter().map(|value| value.as_str()).collect::<StringArray>()));
    }
    let first = present().next().map(|value| kind(value));
    let odd = values.iter().position(|value| {
        let composite = value.is_array() || value.is_object();
        composite || (!value.is_null() && Some(kind(value)) != first)
    });
    let message = match first {
        Some(first @ ("a boolean" | "a number" | "a string")) => format!("expected {first} as in the rows before"),
        _ => "expected a boolean, a number or a string".to_owned(),
    };
    Err(Error::invalid(format!("{}.{name}", odd.unwrap_or(0)), message))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn times(name: &str, values: &[&Value]) -> Result<ArrayRef> {
    let read = values
        .iter()
        .enumerate()
        .map(|(row, value)| {
            let read = match value {
                Value::Null => return Ok(None),
                Value::String(text) => time(text),
                _ => None,
            };
            read.map(Some).ok_or_else(|| {
                Error::invalid(format!("{row}.{name}"), "expected a time as text, such as `2024-02-29T12:00:00Z`")
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(TimestampMicrosecondArray::from(read).with_timezone("UTC")))
}

/// A time as requests write it, in microseconds since 1970: RFC 3339; without a zone in UTC; a date is its first moment.
pub fn time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    let naive = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let naive = naive.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    Some(naive.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
    use arrow_array::{Array as _, Date32Array, Float32Array, ListArray};
    use arrow_schema::Field;
    use datafusion::arrow::buffer::OffsetBuffer;
    use serde_json::json;

    use super::*;

    fn rows(value: Value) -> Vec<Map<String, Value>> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn rows_come_back_as_they_were_with_times_in_utc() {
        let ipc = rows_from_json(
            &rows(json!([
                {"id": "a", "n": 1, "x": 1, "ok": true, "event_timestamp": "2024-02-29T14:00:00+02:00"},
                {"id": "b", "x": 2.5, "ok": null, "event_timestamp": "2024-03-01"},
            ])),
            "event_timestamp",
        )
        .unwrap();
        assert_eq!(
            json!(rows_to_json(&ipc).unwrap()),
            json!([
                {"id": "a", "n": 1, "x": 1.0, "ok": true, "event_timestamp": "2024-02-29T12:00:00Z"},
                {"id": "b", "n": null, "x": 2.5, "ok": null, "event_timestamp": "2024-03-01T00:00:00Z"},
            ])
        );
    }

    #[test]
    fn a_value_of_another_type_is_told_with_row_and_column() {
        for (value, wanted) in [
            (json!([{"id": "a"}, {"id": 1}]), "1.id"),
            (json!([{"id": [1]}]), "0.id"),
            (json!([{"event_timestamp": "2024-03-01"}, {"event_timestamp": 5}]), "1.event_timestamp"),
        ] {
            let Err(Error::InvalidInput { field, .. }) = rows_from_json(&rows(value), "event_timestamp") else {
                panic!()
            };
            assert_eq!(field.as_deref(), Some(wanted));
        }
    }

    #[test]
    fn maps_with_keys_of_any_type_are_objects() {
        let mut numbers = MapBuilder::new(None, Int32Builder::new(), StringBuilder::new());
        numbers.keys().append_value(-1);
        numbers.values().append_value("minus");
        numbers.append(true).unwrap();
        let column: ArrayRef = Arc::new(numbers.finish());
        let batch = RecordBatch::try_from_iter([("numbers", column)]).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
        writer.write(&batch).and_then(|()| writer.finish()).unwrap();
        let rows = rows_to_json(&writer.into_inner().unwrap()).unwrap();
        assert_eq!(json!(rows), json!([{"numbers": {"-1": "minus"}}]));
    }

    #[test]
    fn a_decimal_that_is_no_number_of_json_is_told_as_text() {
        let decimals = |values: Vec<Option<i128>>| -> ArrayRef {
            Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, 3).unwrap())
        };
        let columns = [
            ("short", decimals(vec![Some(-1_500), None])),
            ("long", decimals(vec![Some(12_345_678_901_234_567_890_123), Some(1_500)])),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
        writer.write(&batch).and_then(|()| writer.finish()).unwrap();
        let rows = rows_to_json(&writer.into_inner().unwrap()).unwrap();
        assert_eq!(
            json!(rows),
            json!([{"short": -1.5, "long": "12345678901234567890.123"}, {"short": null, "long": "1.500"}])
        );
    }

    #[test]
    fn what_json_has_no_number_for_is_told_as_text_wherever_it_is() {
        let doubles = Float64Array::from(vec![Some(f64::NAN), Some(f64::INFINITY), None, Some(-1e300)]);
        let singles = Float32Array::from(vec![f32::NEG_INFINITY, 0.1, 1.0, f32::NAN]);
        let item = Arc::new(Field::new("item", DataType::Float64, true));
        let list = ListArray::new(item, OffsetBuffer::from_lengths([1, 1, 0, 2]), Arc::new(doubles.clone()), None);
        let columns: [(&str, ArrayRef); 3] =
            [("double", Arc::new(doubles)), ("single", Arc::new(singles)), ("list", Arc::new(list))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
        writer.write(&batch).and_then(|()| writer.finish()).unwrap();
        assert_eq!(
            json!(rows_to_json(&writer.into_inner().unwrap()).unwrap()),
            json!([
                {"double": "NaN", "single": "-Infinity", "list": ["NaN"]},
                {"double": "Infinity", "single": 0.1, "list": ["Infinity"]},
                {"double": null, "single": 1.0, "list": []},
                {"double": -1e300, "single": "NaN", "list": [null, -1e300]},
            ])
        );
    }

    #[test]
    fn times_of_any_year_are_told() {
        let date = |days: i32| -> ArrayRef { Arc::new(Date32Array::from(vec![Some(days), None, Some(0)])) };
        let at = |micros: i64, zone: Option<&str>| -> ArrayRef {
            let column = TimestampMicrosecondArray::from(vec![Some(micros), None, Some(1_500)]);
            Arc::new(column.with_timezone_opt(zone))
        };
        let columns = [
            ("near", date(-719_162)),
            ("far", date(2_145_042_905)),
            ("plain", at(i64::MAX, None)),
            ("zoned", at(i64::MAX - 775_807, Some("UTC"))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let list = ListArray::new(
            Arc::new(Field::new("item", DataType::Date32, true)),
            OffsetBuffer::from_lengths([3, 0, 0]),
            date(2_145_042_905),
            None,
        );
        let fields = batch.schema_ref().fields().iter().cloned();
        let schema = Schema::new(
            fields.chain([Arc::new(Field::new("list", list.data_type().clone(), true))]).collect::<Vec<_>>(),
        );
        let columns = batch.columns().iter().cloned().chain([Arc::new(list) as ArrayRef]).collect();
        let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
        writer.write(&batch).and_then(|()| writer.finish()).unwrap();
        let rows = rows_to_json(&writer.into_inner().unwrap()).unwrap();
        assert_eq!(
            json!([rows[0], rows[2]]),
            json!([
                {"near": "0001-01-01", "far": "+5874897-12-31", "plain": "+294247-01-10T04:00:54.775807",
                 "zoned": "+294247-01-10T04:00:54Z", "list": ["+5874897-12-31", null, "1970-01-01"]},
                {"near": "1970-01-01", "far": "1970-01-01", "plain": "1970-01-01T00:00:00.001500",
                 "zoned": "1970-01-01T00:00:00.001500Z", "list": []},
            ])
        );
    }

    #[test]
    fn no_rows_are_no_rows() {
        let ipc = rows_from_json(&rows(json!([{"id": "a"}])), "t").unwrap();
        assert_eq!(rows_to_json(&ipc).unwrap().len(), 1);
        assert!(rows_to_json(b"nonsense").is_err());
    }
}
