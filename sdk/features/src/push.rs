//! Rows that are pushed, read out of a request: the columns' types say what the host, which knows only dtypes, cannot.

use asgard_sdk::feature_push::{Dtype as PushedDtype, View};
use asgard_sdk::feature_source::{Dtype, Feature, FeatureView};
use asgard_sdk::json::{self, Map, Value};
use asgard_sdk::{Error, Result};
use chrono::DateTime;

use crate::keys;

/// A row of a push.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The entities' values as texts, in the view's order.
    pub key: Vec<String>,
    /// The event time in microseconds since 1970; none: valid at all times.
    pub at: Option<i64>,
    /// When it was created, in microseconds since 1970; none: the view does not have that.
    pub made: Option<i64>,
    /// As online answers have them.
    pub features: Map<String, Value>,
}

/// The view as `feature-source` knows it.
pub fn view(pushed: View) -> FeatureView {
    let features = pushed.features.into_iter().map(|feature| Feature {
        name: feature.name,
        dtype: dtype(feature.dtype),
        description: None,
        tags: Vec::new(),
    });
    FeatureView {
        name: pushed.name,
        entities: pushed.entities,
        features: features.collect(),
        source: pushed.source,
        timestamp_field: pushed.timestamp_field,
        created_timestamp_column: pushed.created_timestamp_column,
        ttl_seconds: pushed.ttl_seconds,
        description: None,
        tags: Vec::new(),
        online: true,
    }
}

/// The rows of a push, in order. `type_of` gives the type of a column of the view's table, empty for one that it lost.
///
/// # Errors
/// `invalid-input` naming row and column.
pub fn rows<'a>(view: &FeatureView, rows: &str, type_of: impl Fn(&str) -> &'a str, now_ms: u64) -> Result<Vec<Row>> {
    let given: Vec<Map<String, Value>> =
        json::from_str(rows).map_err(|error| Error::invalid("rows", format!("expected a list of objects: {error}")))?;
    let of_row = |(index, row): (usize, Map<String, Value>)| {
        read(view, &row, &type_of, now_ms)
            .map_err(|(column, message)| Error::invalid(format!("rows[{index}].{column}"), message))
    };
    given.into_iter().enumerate().map(of_row).collect()
}

/// Column and what is wrong with it.
type Misfit = (String, String);

fn read<'a>(
    view: &FeatureView,
    row: &Map<String, Value>,
    type_of: &impl Fn(&str) -> &'a str,
    now_ms: u64,
) -> std::result::Result<Row, Misfit> {
    let mut key = Vec::with_capacity(view.entities.len());
    for entity in &view.entities {
        let text = row.get(entity).and_then(keys::text);
        let text = text.ok_or_else(|| (entity.clone(), "the entity's value is missing".to_owned()))?;
        let data_type = type_of(entity);
        if !is_whole(data_type) {
            key.push(text);
        } else if let Ok(number) = text.parse::<i64>() {
            key.push(number.to_string());
        } else {
            return Err((entity.clone(), format!("`{text}` is no whole number, and the column is {data_type}")));
        }
    }
    let at = view.timestamp_field.as_ref().map(|column| {
        let time = row.get(column).unwrap_or(&Value::Null);
        microseconds(time).ok_or_else(|| (column.clone(), format!("{time} is no event time")))
    });
    let made = view.created_timestamp_column.as_ref().map(|column| match row.get(column) {
        None | Some(Value::Null) => Ok(i64::try_from(now_ms).unwrap_or(i64::MAX).saturating_mul(1000)),
        Some(time) => microseconds(time).ok_or_else(|| (column.clone(), format!("{time} is no time"))),
    });
    let features = view.features.iter().map(|feature| {
        let value = row.get(&feature.name).cloned().unwrap_or_default();
        (feature.name.clone(), in_column(value, feature.dtype, type_of(&feature.name)))
    });
    Ok(Row { key, at: at.transpose()?, made: made.transpose()?, features: features.collect() })
}

fn is_whole(data_type: &str) -> bool {
    matches!(data_type, "int" | "long")
}

/// A time of a request in microseconds since 1970; none for what is no RFC 3339.
fn microseconds(time: &Value) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(time.as_str()?).ok()?.timestamp_micros())
}

/// A time as a row of the table has it: its column may be without a zone, or one of dates.
fn in_column(value: Value, dtype: Dtype, data_type: &str) -> Value {
    let (Dtype::UnixTimestamp, Some(time)) = (dtype, value.as_str()) else { return value };
    match data_type {
        "date" => time.get(..10).unwrap_or(time).into(),
        "timestamp" => time.strip_suffix('Z').unwrap_or(time).into(),
        _ => value,
    }
}

fn dtype(dtype: PushedDtype) -> Dtype {
    match dtype {
        PushedDtype::Int32 => Dtype::Int32,
        PushedDtype::Int64 => Dtype::Int64,
        PushedDtype::Float32 => Dtype::Float32,
        PushedDtype::Float64 => Dtype::Float64,
        PushedDtype::String => Dtype::String,
        PushedDtype::Bytes => Dtype::Bytes,
        PushedDtype::Bool => Dtype::Bool,
        PushedDtype::UnixTimestamp => Dtype::UnixTimestamp,
        PushedDtype::ArrayInt32 => Dtype::ArrayInt32,
        PushedDtype::ArrayInt64 => Dtype::ArrayInt64,
        PushedDtype::ArrayFloat32 => Dtype::ArrayFloat32,
        PushedDtype::ArrayFloat64 => Dtype::ArrayFloat64,
        PushedDtype::ArrayString => Dtype::ArrayString,
    }
}

#[cfg(test)]
mod tests {
    use asgard_sdk::TableName;
    use asgard_sdk::feature_push::Feature as PushedFeature;
    use asgard_sdk::json::json;

    use super::*;

    fn shifts() -> FeatureView {
        let feature = |name: &str| PushedFeature { name: name.to_owned(), dtype: PushedDtype::UnixTimestamp };
        view(View {
            name: "shifts".to_owned(),
            entities: vec!["plant".to_owned()],
            features: ["opened", "closed", "seen"].map(feature).to_vec(),
            source: TableName { namespace: "gold".to_owned(), name: "shifts".to_owned() },
            timestamp_field: Some("seen".to_owned()),
            created_timestamp_column: Some("made".to_owned()),
            ttl_seconds: 0,
        })
    }

    fn type_of(column: &str) -> &'static str {
        match column {
            "plant" => "int",
            "opened" => "date",
            "closed" => "timestamp",
            _ => "timestamptz",
        }
    }

    #[test]
    fn times_are_as_the_columns_have_them() {
        let pushed = json!([
            {"plant": 7.0, "opened": "2024-02-29T00:00:00Z", "closed": "2024-02-29T12:00:00.500Z", "seen": "2024-03-01T00:00:00.000001Z"},
            {"plant": "07", "opened": null, "closed": null, "seen": "1970-01-01T00:00:00Z", "made": "1970-01-01T00:00:01Z"},
        ]);
        let expected = [
            Row {
                key: vec!["7".to_owned()],
                at: Some(1_709_251_200_000_001),
                made: Some(5000),
                features: json!({"opened": "2024-02-29", "closed": "2024-02-29T12:00:00.500", "seen": "2024-03-01T00:00:00.000001Z"})
                    .as_object()
                    .unwrap()
                    .clone(),
            },
            Row {
                key: vec!["7".to_owned()],
                at: Some(0),
                made: Some(1_000_000),
                features: json!({"opened": null, "closed": null, "seen": "1970-01-01T00:00:00Z"}).as_object().unwrap().clone(),
            },
        ];
        assert_eq!(rows(&shifts(), &pushed.to_string(), type_of, 5).unwrap(), expected);
    }

    #[test]
    fn an_entity_of_a_column_of_numbers_is_a_number() {
        let pushed = json!([
            {"plant": "7", "opened": null, "closed": null, "seen": "2024-03-01T00:00:00Z"},
            {"plant": "A7", "opened": null, "closed": null, "seen": "2024-03-01T00:00:00Z"},
        ]);
        let Err(Error::InvalidInput(refused)) = rows(&shifts(), &pushed.to_string(), type_of, 5) else {
            panic!("a text is taken for a number")
        };
        assert_eq!(refused.field.as_deref(), Some("rows[1].plant"));
        assert!(refused.message.contains("`A7`") && refused.message.contains("int"), "{}", refused.message);
    }
}
