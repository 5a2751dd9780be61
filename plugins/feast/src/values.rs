//! Feast's values as JSON, and as the answers of all plugins have them.

use asgard_sdk::feature_source::Dtype;
use asgard_sdk::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::DateTime;
use serde_json::Value;

/// The value of a feature. Times are RFC 3339, or as the column has them: without a zone, or dates. Bytes are hexadecimal.
///
/// # Errors
/// `internal` for a value that Feast does not give to that dtype.
pub fn json(value: &Value, dtype: Dtype, data_type: &str) -> Result<Value> {
    match (dtype, value) {
        (_, Value::Null) => Ok(Value::Null),
        (Dtype::UnixTimestamp, value) => time(value, data_type),
        (Dtype::Bytes, Value::String(text)) => {
            let bytes = BASE64.decode(text).map_err(|error| Error::internal(format!("bytes of Feast: {error}")))?;
            Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
        }
        (_, value) => Ok(value.clone()),
    }
}

/// Feast keeps whole seconds, and has the least number for none.
fn time(value: &Value, data_type: &str) -> Result<Value> {
    let seconds =
        value.as_i64().ok_or_else(|| Error::internal(format!("a time of Feast is {value}: expected seconds")))?;
    if seconds == i64::MIN {
        return Ok(Value::Null);
    }
    let time = DateTime::from_timestamp(seconds, 0).map(|time| time.naive_utc());
    Ok(time.map_or(Value::Null, |time| match data_type {
        "date" => format!("{:?}", time.date()).into(),
        "timestamp" => format!("{time:?}").into(),
        _ => format!("{time:?}Z").into(),
    }))
}

/// An event time in milliseconds since 1970.
///
/// # Errors
/// `internal` when it is none.
pub fn milliseconds(value: &Value) -> Result<i64> {
    let text = value.as_str().unwrap_or_default();
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|error| Error::internal(format!("an event time of Feast is {value}: {error}")))?;
    Ok(time.timestamp_millis())
}
