//! Rows that are pushed: the feature server writes them to the online store.
//!
//! Some of Feast's online stores keep the row that came last, whatever its event time. So the event times that are there are read
//! first, and only rows that are not older are sent. Feast keeps no created timestamp that could be read: rows of one event time go
//! by what came last, except within one push.
//!
//! The server makes a pandas frame of a request, which shapes what is sent: whole numbers beside nulls become floating-point ones there,
//! so rows are sent apart by which of their whole numbers are null; and a frame in which all features are null is not written.

use std::collections::{BTreeMap, HashMap};

use asgard_features::push::{Row, rows, view};
use asgard_sdk::context::Level;
use asgard_sdk::feature_push::{Outcome, Request};
use asgard_sdk::feature_source::{Dtype, Feature, FeatureView};
use asgard_sdk::{Error, Result};
use chrono::DateTime;
use serde_json::{Map, Value, json};

use crate::known::Known;
use crate::online;
use crate::run::Feast;
use crate::snapshot::time_column;

/// Event times that Feast's engines take, in microseconds since 1970: those of the years 1700 to 2250.
const TIMES: std::ops::Range<i64> = -8_520_336_000_000_000..8_835_955_200_000_000;

/// Writes rows.
///
/// # Errors
/// `invalid-input` with row and column, `unsupported` for values that Feast's server does not take; its own.
pub fn push(feast: Feast<'_>, request: Request) -> Result<Outcome> {
    let view = view(request.view);
    // A snapshot that is not materialised yet would come after the rows.
    let known = online::fresh(feast, &view, 0)?;
    let type_of = |column: &str| known.types.get(column).map_or("", String::as_str);
    let given = rows(&view, &request.rows, type_of, feast.host.now_ms())?;
    for (index, row) in given.iter().enumerate() {
        check(&view, index, row)?;
    }
    let there = event_times(feast, &view, &given, &known)?;
    let pushed = given.len() as u64;
    let (taken, written) = taken(given, there);
    let mut alike: BTreeMap<Vec<bool>, Vec<&Row>> = BTreeMap::new();
    for row in &taken {
        alike.entry(nulls(&view, row)).or_default().push(row);
    }
    for rows in alike.values() {
        let body = json!({"feature_view_name": view.name, "df": columns(&view, rows, &known)?});
        feast.client.post("write-to-online-store", &body)?;
    }
    let older = pushed - written;
    feast.host.log(Level::Info, &format!("online store of `{}`: {written} rows pushed, {older} were older", view.name));
    Ok(Outcome { written, older })
}

/// What Feast's server cannot take.
fn check(view: &FeatureView, index: usize, row: &Row) -> Result<()> {
    if view.features.iter().all(|feature| sent(feature, row).is_null()) {
        return Err(Error::Unsupported(format!(
            "rows[{index}]: all features are null, and Feast writes no such row: leave it out, or give one feature a value"
        )));
    }
    if let (Some(column), Some(time)) = (&view.timestamp_field, row.at)
        && !TIMES.contains(&time)
    {
        let message = "Feast takes event times of the years 1700 to 2249";
        return Err(Error::invalid(format!("rows[{index}].{column}"), message));
    }
    for feature in &view.features {
        let value = row.features.get(&feature.name).unwrap_or(&Value::Null);
        let reason = match feature.dtype {
            Dtype::Bytes if !value.is_null() => "bytes",
            Dtype::Float32 | Dtype::Float64 if value.as_str().is_some_and(|text| text != NAN) => "infinities",
            Dtype::ArrayFloat32 | Dtype::ArrayFloat64 if has_texts(value) => "NaN and infinities in arrays",
            _ => continue,
        };
        return Err(Error::Unsupported(format!(
            "rows[{index}].{}: Feast's server takes no {reason} by push: write the row to `{}.{}`",
            feature.name, view.source.namespace, view.source.name
        )));
    }
    Ok(())
}

const NAN: &str = "NaN";

fn has_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().any(Value::is_string))
}

/// The event times of the rows' entities that are there, in microseconds since 1970. Rows of a view without times have none: the last
/// to come stays.
fn event_times(
    feast: Feast<'_>,
    view: &FeatureView,
    given: &[Row],
    known: &Known,
) -> Result<HashMap<Vec<String>, i64>> {
    let mut there = HashMap::new();
    let (Some(_), Some(feature)) = (&view.timestamp_field, view.features.first()) else { return Ok(there) };
    let mut keys: Vec<&Vec<String>> = given.iter().map(|row| &row.key).collect();
    keys.sort_unstable();
    keys.dedup();
    let asked: Vec<Vec<Value>> = keys.iter().filter_map(|key| online::typed(view, key, known)).collect();
    let found = online::ask(feast, view, std::slice::from_ref(&feature.name), &asked)?;
    let times = found.column(view, &feature.name, asked.len())?.event_times()?;
    for (key, time) in keys.into_iter().zip(times) {
        if let Some(milliseconds) = time {
            there.insert(key.clone(), milliseconds.saturating_mul(1000));
        }
    }
    Ok(there)
}

/// The rows that stay of each entity, and how many were not older than what was there when their turn came.
fn taken(given: Vec<Row>, there: HashMap<Vec<String>, i64>) -> (Vec<Row>, u64) {
    let mut rows: BTreeMap<Vec<String>, Row> = BTreeMap::new();
    let mut written = 0;
    for row in given {
        let over_store = there.get(&row.key).is_none_or(|time| row.at >= Some(*time));
        let over_push = rows.get(&row.key).is_none_or(|before| (row.at, row.made) >= (before.at, before.made));
        if over_store && over_push {
            rows.insert(row.key.clone(), row);
            written += 1;
        }
    }
    (rows.into_values().collect(), written)
}

/// Which of a row's features that are whole numbers to Feast are null.
fn nulls(view: &FeatureView, row: &Row) -> Vec<bool> {
    let whole = view.features.iter().filter(|feature| matches!(feature.dtype, Dtype::Int64 | Dtype::UnixTimestamp));
    whole.map(|feature| sent(feature, row).is_null()).collect()
}

/// The rows as columns.
fn columns(view: &FeatureView, rows: &[&Row], known: &Known) -> Result<Map<String, Value>> {
    let mut columns = Map::new();
    for (place, entity) in view.entities.iter().enumerate() {
        let values = rows.iter().filter_map(|row| online::typed(view, &row.key, known)?.get(place).cloned());
        columns.insert(entity.clone(), values.collect());
    }
    // All of one form: pandas reads the others as it read the first.
    let times = rows.iter().map(|row| {
        let time = DateTime::from_timestamp_micros(row.at.unwrap_or(0)).unwrap_or_default();
        Value::from(time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
    });
    columns.insert(time_column(view).to_owned(), times.collect());
    for feature in &view.features {
        let values = rows.iter().map(|row| match sent(feature, row) {
            Value::String(time) if matches!(feature.dtype, Dtype::UnixTimestamp) => seconds(&time),
            value => Ok(value),
        });
        columns.insert(feature.name.clone(), values.collect::<Result<Vec<_>>>()?.into());
    }
    Ok(columns)
}

/// A row's value of a feature, as far as JSON has it: NaN is null to Feast.
fn sent(feature: &Feature, row: &Row) -> Value {
    let value = row.features.get(&feature.name).cloned().unwrap_or_default();
    if matches!(feature.dtype, Dtype::Float32 | Dtype::Float64) && value == NAN { Value::Null } else { value }
}

/// A time as Feast keeps it. What comes here may be of a column without a zone, or of one with dates.
fn seconds(text: &str) -> Result<Value> {
    let complete = match (text.len(), text.ends_with('Z')) {
        (10, _) => format!("{text}T00:00:00Z"),
        (_, false) => format!("{text}Z"),
        (_, true) => text.to_owned(),
    };
    let time = DateTime::parse_from_rfc3339(&complete)
        .map_err(|error| Error::internal(format!("`{text}` is no time: {error}")))?;
    Ok((time.timestamp_micros() / 1_000_000).into())
}
