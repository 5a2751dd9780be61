//! Arrow's values as JSON: those that features have, and no others. Arrow's own writer of JSON knows every type, and each
//! host would have to compile all of it before its first join.

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};
use arrow_array::types::{
    ArrowTimestampType, Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use asgard_sdk::json::Value;
use asgard_sdk::{Error, Result};

/// The value in that row. Times are RFC 3339, bytes are hexadecimal; NaN and infinities, for which JSON has no
/// numbers, are the texts that the host makes of them in rows: `NaN`, `Infinity`, `-Infinity`.
///
/// # Errors
/// `internal` for a type that no dtype has.
pub fn json(values: &dyn Array, row: usize) -> Result<Value> {
    if values.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match values.data_type() {
        DataType::Boolean => values.as_boolean().value(row).into(),
        DataType::Int32 => values.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => values.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float32 => {
            let value = values.as_primitive::<Float32Type>().value(row);
            float(value.into()).unwrap_or_else(|| value.into())
        }
        DataType::Float64 => {
            let value = values.as_primitive::<Float64Type>().value(row);
            float(value).unwrap_or_else(|| value.into())
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => text(values, row)?.into(),
        DataType::Binary => hexadecimal(values.as_binary::<i32>().value(row)).into(),
        DataType::LargeBinary => hexadecimal(values.as_binary::<i64>().value(row)).into(),
        DataType::BinaryView => hexadecimal(values.as_binary_view().value(row)).into(),
        DataType::FixedSizeBinary(_) => hexadecimal(values.as_fixed_size_binary().value(row)).into(),
        DataType::Date32 => {
            let date = date32_to_datetime(values.as_primitive::<Date32Type>().value(row));
            date.map_or(Value::Null, |date| format!("{:?}", date.date()).into())
        }
        DataType::Timestamp(_, zone) => {
            let time = microseconds(values, row)?.and_then(timestamp_us_to_datetime);
            let zone = if zone.is_some() { "Z" } else { "" };
            time.map_or(Value::Null, |time| format!("{time:?}{zone}").into())
        }
        DataType::List(_) => items(values.as_list::<i32>().value(row).as_ref())?,
        DataType::LargeList(_) => items(values.as_list::<i64>().value(row).as_ref())?,
        other => return Err(Error::internal(format!("a feature is {other}, which no dtype has"))),
    })
}

/// The text in that row.
///
/// # Errors
/// `internal` when the values are no texts.
pub fn text(values: &dyn Array, row: usize) -> Result<&str> {
    match values.data_type() {
        DataType::Utf8 => Ok(values.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Ok(values.as_string::<i64>().value(row)),
        DataType::Utf8View => Ok(values.as_string_view().value(row)),
        other => Err(Error::internal(format!("a text was expected, not {other}"))),
    }
}

/// A time in microseconds since 1970; none for null.
///
/// # Errors
/// `internal` when the values are no times.
pub fn microseconds(values: &dyn Array, row: usize) -> Result<Option<i64>> {
    fn value<T: ArrowTimestampType>(values: &dyn Array, row: usize) -> i64 {
        let values: &PrimitiveArray<T> = values.as_primitive();
        values.value(row)
    }
    if values.is_null(row) {
        return Ok(None);
    }
    let DataType::Timestamp(unit, _) = values.data_type() else {
        return Err(Error::internal(format!("a timestamp was expected, not {}", values.data_type())));
    };
    Ok(Some(match unit {
        TimeUnit::Second => value::<TimestampSecondType>(values, row).saturating_mul(1_000_000),
        TimeUnit::Millisecond => value::<TimestampMillisecondType>(values, row).saturating_mul(1_000),
        TimeUnit::Microsecond => value::<TimestampMicrosecondType>(values, row),
        TimeUnit::Nanosecond => value::<TimestampNanosecondType>(values, row).div_euclid(1_000),
    }))
}

fn items(items: &dyn Array) -> Result<Value> {
    (0..items.len()).map(|index| json(items, index)).collect::<Result<Vec<_>>>().map(Value::Array)
}

/// None for what is a number.
fn float(value: f64) -> Option<Value> {
    match value {
        _ if value.is_nan() => Some("NaN".into()),
        f64::INFINITY => Some("Infinity".into()),
        f64::NEG_INFINITY => Some("-Infinity".into()),
        _ => None,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
