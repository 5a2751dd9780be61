//! Rows for a view's online store that do not wait for its table. They are checked here, by the view, so that a plugin gets what
//! fits and all plugins refuse alike.

use std::sync::Arc;

use asgard_contract::features::{Dtype, FeatureView, PushOutcome, PushRequest};
use asgard_contract::log::Discard;
use asgard_contract::manifest::{Interface, Role};
use asgard_contract::{Error, Result};
use chrono::{DateTime, Datelike};
use serde_json::{Map, Value};

use crate::Pipeline;
use crate::environments::Active;

/// Rows in one push: what an online store takes while a client waits.
const ROWS_AT_MOST: usize = 10_000;

/// Whole numbers up to here are the same as floating-point ones, as which some clients write them.
const WHOLE_AT_MOST: f64 = 9_007_199_254_740_992.0;

type Row = Map<String, Value>;

/// Rows to be pushed.
#[derive(Debug, Clone)]
pub struct Push {
    /// The view's name.
    pub view: String,
    /// Column -> value.
    pub rows: Vec<Row>,
}

impl Pipeline {
    /// Writes rows to a view's online store.
    ///
    /// # Errors
    /// `not-found` for the view, `invalid-input` with the field of a row, `unsupported` where the bound plugin takes no rows.
    pub async fn push_features(&self, active: &Arc<Active>, push: Push) -> Result<PushOutcome> {
        let view = self.view(active, &push.view).await?.view;
        if !view.online {
            return Err(Error::invalid(
                "view",
                format!("feature view `{}` has no online store: register it with `online`: true", view.name),
            ));
        }
        let bound = self.required(active, Role::Features).await?;
        if !bound.plugin.interfaces().contains(&Interface::FeaturePush) {
            return Err(Error::unsupported(format!(
                "plugin `{}` takes features from tables alone: write the rows to `{}`, or bind a plugin in role `features` that \
                 exports `feature-push`, such as `iceberg-features` or `feast`",
                bound.name(),
                view.source
            )));
        }
        let rows = checked(&view, push.rows)?;
        let call = bound.call("push", Arc::new(Discard)).await?;
        bound.plugin.feature_push(call).push(&PushRequest { view, rows }).await
    }
}

/// The rows as a plugin gets them.
fn checked(view: &FeatureView, rows: Vec<Row>) -> Result<Vec<Row>> {
    if rows.is_empty() {
        return Err(Error::invalid("rows", "expected one row at least"));
    }
    if rows.len() > ROWS_AT_MOST {
        return Err(Error::invalid(
            "rows",
            format!("{} rows are too many for one push (at most {ROWS_AT_MOST}): push them in several", rows.len()),
        ));
    }
    let checked = |(index, row): (usize, Row)| {
        checked_row(view, row).map_err(|(column, message)| Error::invalid(format!("rows[{index}].{column}"), message))
    };
    rows.into_iter().enumerate().map(checked).collect()
}

/// What is wrong with a row: the column, and what was expected.
type Misfit = (String, String);

fn checked_row(view: &FeatureView, mut row: Row) -> std::result::Result<Row, Misfit> {
    let known = columns(view);
    if let Some(column) = row.keys().find(|column| !known.contains(&column.as_str())) {
        return Err((
            column.clone(),
            format!("feature view `{}` has no such column: it has {}", view.name, known.join(", ")),
        ));
    }
    for entity in &view.entities {
        match row.get(entity) {
            None => return Err((entity.clone(), "the entity's value is missing".to_owned())),
            Some(Value::String(_) | Value::Number(_) | Value::Bool(_)) => {}
            Some(other) => {
                return Err((entity.clone(), format!("{other} identifies nothing: expected a text or a number")));
            }
        }
    }
    let mut fitting = Row::new();
    for feature in &view.features {
        let Some(value) = row.get(&feature.name) else {
            let message = "the feature is missing: a push writes whole rows, with null where there is no value";
            return Err((feature.name.clone(), message.to_owned()));
        };
        let value = feature_value(feature.dtype, value).map_err(|expected| {
            (feature.name.clone(), format!("expected {expected}, since the feature is {}", feature.dtype))
        })?;
        fitting.insert(feature.name.clone(), value);
    }
    for (column, is_needed) in times(view) {
        match row.get(column).filter(|value| !value.is_null()) {
            Some(value) => {
                let time = time(value).ok_or_else(|| (column.clone(), format!("expected {A_TIME}")))?;
                fitting.insert(column.clone(), time);
            }
            None if is_needed => {
                let message = format!("the event time is missing: a row of `{}` says since when it holds", view.name);
                return Err((column.clone(), message));
            }
            None => {}
        }
    }
    for entity in &view.entities {
        // As it was written: a feature of the same column may be in another form.
        if let Some(value) = row.remove(entity) {
            fitting.insert(entity.clone(), value);
        }
    }
    Ok(fitting)
}

/// The columns with times, and whether a row needs them.
fn times(view: &FeatureView) -> impl Iterator<Item = (&String, bool)> {
    let event = view.timestamp_field.iter().map(|column| (column, true));
    event.chain(view.created_timestamp_column.iter().map(|column| (column, false)))
}

/// All columns that a row may have, each once.
fn columns(view: &FeatureView) -> Vec<&str> {
    let mut columns: Vec<&str> = Vec::new();
    let all = view.entities.iter().chain(times(view).map(|(column, _)| column));
    for column in all.chain(view.features.iter().map(|feature| &feature.name)) {
        if !columns.contains(&column.as_str()) {
            columns.push(column);
        }
    }
    columns
}

const A_TIME: &str = "a time as text, such as `2024-02-29T12:00:00Z`";

/// A value as online answers have it, or what was expected in its place.
fn feature_value(dtype: Dtype, value: &Value) -> std::result::Result<Value, &'static str> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let expected = |fitting: Option<Value>, what| fitting.ok_or(what);
    match dtype {
        Dtype::Int32 => expected(
            whole(value).and_then(|whole| i32::try_from(whole).ok()).map(Value::from),
            "a whole number of 32 bits",
        ),
        Dtype::Int64 => expected(whole(value).map(Value::from), "a whole number of 64 bits"),
        Dtype::Float32 => expected(float(value, single), "a number that 32 bits hold"),
        Dtype::Float64 => expected(float(value, Some), "a number"),
        Dtype::String => expected(value.as_str().map(Value::from), "a text"),
        Dtype::Bytes => expected(hexadecimal(value), "bytes as hexadecimal digits"),
        Dtype::Bool => expected(value.as_bool().map(Value::from), "true or false"),
        Dtype::UnixTimestamp => expected(time(value), A_TIME),
        Dtype::ArrayInt32 => items(Dtype::Int32, value, "an array of whole numbers of 32 bits"),
        Dtype::ArrayInt64 => items(Dtype::Int64, value, "an array of whole numbers of 64 bits"),
        Dtype::ArrayFloat32 => items(Dtype::Float32, value, "an array of numbers that 32 bits hold"),
        Dtype::ArrayFloat64 => items(Dtype::Float64, value, "an array of numbers"),
        Dtype::ArrayString => items(Dtype::String, value, "an array of texts"),
    }
}

fn items(dtype: Dtype, value: &Value, what: &'static str) -> std::result::Result<Value, &'static str> {
    let items = value.as_array().ok_or(what)?;
    let item = |item: &Value| match feature_value(dtype, item) {
        Ok(Value::Null) | Err(_) => Err(what),
        Ok(value) => Ok(value),
    };
    items.iter().map(item).collect::<std::result::Result<Vec<_>, _>>().map(Value::Array)
}

fn whole(value: &Value) -> Option<i64> {
    let float = || value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= WHOLE_AT_MOST);
    value.as_i64().or_else(|| value.is_f64().then(float).flatten().map(|float| float as i64))
}

/// Numbers, and the texts that stand for what JSON has no number for.
fn float(value: &Value, narrowed: fn(f64) -> Option<f64>) -> Option<Value> {
    match value {
        Value::String(text) => ["NaN", "Infinity", "-Infinity"].contains(&text.as_str()).then(|| value.clone()),
        value => value.as_f64().and_then(narrowed).map(Value::from),
    }
}

/// The nearest number of 32 bits, which is what a column of such numbers would have.
fn single(value: f64) -> Option<f64> {
    let nearest = value as f32;
    nearest.is_finite().then(|| nearest.into())
}

fn hexadecimal(value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    let whole_bytes = text.len() % 2 == 0 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    whole_bytes.then(|| text.to_ascii_lowercase().into())
}

/// In UTC. Years have four digits: RFC 3339 has no others.
fn time(value: &Value) -> Option<Value> {
    let time = DateTime::from_timestamp_micros(asgard_lakehouse::time(value.as_str()?)?)?.naive_utc();
    (0..=9999).contains(&time.year()).then(|| format!("{time:?}Z").into())
}

#[cfg(test)]
mod tests {
    use asgard_contract::TableName;
    use asgard_contract::features::Feature;
    use serde_json::json;

    use super::*;

    fn view() -> FeatureView {
        let feature = |(name, dtype): (&str, Dtype)| Feature {
            name: name.to_owned(),
            dtype,
            description: None,
            tags: Vec::new(),
        };
        FeatureView {
            name: "shifts".to_owned(),
            entities: vec!["plant".to_owned(), "shift".to_owned()],
            features: [("pace", Dtype::Float32), ("teams", Dtype::ArrayInt64)].map(feature).to_vec(),
            source: TableName::new("gold", "shifts"),
            timestamp_field: Some("seen".to_owned()),
            created_timestamp_column: Some("made".to_owned()),
            ttl_seconds: 0,
            description: None,
            tags: Vec::new(),
            online: true,
        }
    }

    fn rows(value: Value) -> Vec<Row> {
        serde_json::from_value(value).unwrap()
    }

    fn refused(row: Value) -> (String, String) {
        let good = json!({"plant": 1, "shift": "A", "seen": "2026-01-01", "pace": 1, "teams": []});
        match checked(&view(), rows(json!([good, row]))) {
            Err(Error::InvalidInput { field: Some(field), message }) => (field, message),
            other => panic!("expected invalid input with a field, found {other:?}"),
        }
    }

    #[test]
    fn what_does_not_fit_the_view_is_told_with_row_and_column() {
        let seen = "2026-01-01T00:00:00Z";
        for (row, column, named) in [
            (json!({"shift": "A", "seen": seen, "pace": 1, "teams": []}), "plant", "missing"),
            (json!({"plant": null, "shift": "A", "seen": seen, "pace": 1, "teams": []}), "plant", "identifies"),
            (json!({"plant": 1, "shift": ["A"], "seen": seen, "pace": 1, "teams": []}), "shift", "identifies"),
            (json!({"plant": 1, "shift": "A", "pace": 1, "teams": []}), "seen", "event time"),
            (json!({"plant": 1, "shift": "A", "seen": null, "pace": 1, "teams": []}), "seen", "event time"),
            (json!({"plant": 1, "shift": "A", "seen": "soon", "pace": 1, "teams": []}), "seen", "2024-02-29"),
            (json!({"plant": 1, "shift": "A", "seen": seen, "made": 5, "pace": 1, "teams": []}), "made", "2024-02-29"),
            (json!({"plant": 1, "shift": "A", "seen": seen, "pace": 1}), "teams", "null"),
            (json!({"plant": 1, "shift": "A", "seen": seen, "pace": "1", "teams": []}), "pace", "float32"),
            (json!({"plant": 1, "shift": "A", "seen": seen, "pace": 1e300, "teams": []}), "pace", "32 bits"),
            (json!({"plant": 1, "shift": "A", "seen": seen, "pace": 1, "teams": [1, null]}), "teams", "array_int64"),
            (
                json!({"plant": 1, "shift": "A", "seen": seen, "pace": 1, "teams": [], "event_timestamp": seen}),
                "event_timestamp",
                "plant, shift, seen, made, pace, teams",
            ),
        ] {
            let (field, message) = refused(row);
            assert_eq!(field, format!("rows[1].{column}"), "{message}");
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn a_push_has_one_row_at_least_and_not_too_many() {
        let row = json!({"plant": 1, "shift": "A", "seen": "2026-01-01", "pace": 1, "teams": []});
        let many = |count: usize| checked(&view(), vec![row.as_object().unwrap().clone(); count]);
        assert!(many(ROWS_AT_MOST).is_ok());
        for count in [0, ROWS_AT_MOST + 1] {
            let Err(Error::InvalidInput { field, .. }) = many(count) else { panic!("{count} rows are taken") };
            assert_eq!(field.as_deref(), Some("rows"));
        }
    }

    #[test]
    fn values_and_times_come_as_online_answers_have_them() {
        let pushed = json!([{"plant": 1, "shift": "A", "seen": "2026-01-01T02:00:00.5+02:00", "made": null, "pace": 0.5, "teams": [1.0]}]);
        let expected =
            json!([{"plant": 1, "shift": "A", "seen": "2026-01-01T00:00:00.500Z", "pace": 0.5, "teams": [1]}]);
        assert_eq!(json!(checked(&view(), rows(pushed)).unwrap()), expected);
        for (dtype, value, expected) in [
            (Dtype::Int64, json!(9_007_199_254_740_993_i64), Some(json!(9_007_199_254_740_993_i64))),
            (Dtype::Int64, json!(7.0), Some(json!(7))),
            (Dtype::Int64, json!(7.5), None),
            (Dtype::Int64, json!(u64::MAX), None),
            (Dtype::Int32, json!(2_147_483_648_i64), None),
            (Dtype::Float64, json!(3), Some(json!(3.0))),
            (Dtype::Float64, json!("NaN"), Some(json!("NaN"))),
            (Dtype::Float64, json!("three"), None),
            (Dtype::Float32, json!(0.1), Some(json!(f64::from(0.1_f32)))),
            (Dtype::String, json!(""), Some(json!(""))),
            (Dtype::String, json!(1), None),
            (Dtype::Bytes, json!("0aFF"), Some(json!("0aff"))),
            (Dtype::Bytes, json!("0aF"), None),
            (Dtype::Bool, json!(1), None),
            (Dtype::UnixTimestamp, json!("2024-02-29"), Some(json!("2024-02-29T00:00:00Z"))),
            (Dtype::UnixTimestamp, json!(1_700_000_000), None),
            (Dtype::ArrayString, json!(["a", ""]), Some(json!(["a", ""]))),
            (Dtype::ArrayString, json!("a"), None),
            (Dtype::ArrayFloat64, json!(null), Some(json!(null))),
        ] {
            assert_eq!(feature_value(dtype, &value).ok(), expected, "{dtype} {value}");
        }
    }

    #[test]
    fn a_view_without_times_wants_none() {
        let timeless = FeatureView { timestamp_field: None, created_timestamp_column: None, ..view() };
        let pushed = json!([{"plant": 1, "shift": "A", "pace": null, "teams": null}]);
        assert_eq!(json!(checked(&timeless, rows(pushed.clone())).unwrap()), pushed);
    }
}
