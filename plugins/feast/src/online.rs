//! Online reads: one request to the feature server for each view.
//!
//! A table may have a newer snapshot than the one that the online store was filled from. Reads look for that, but not more often than
//! [`CHECK_AFTER_MS`], and have it filled again first, as long as that takes no longer than a reader waits.
//!
//! Feast answers with a row however old it is: its time to live is judged here.

use asgard_features::keys::{entities_of, of_rows};
use asgard_features::names;
use asgard_features::sql::time_to_live;
use asgard_sdk::context::Level;
use asgard_sdk::feature_source::{FeatureView, OnlineRequest, Selection};
use asgard_sdk::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::known::Known;
use crate::materialise::Materialisation;
use crate::run::{Feast, Now};
use crate::snapshot::is_number;
use crate::values;

/// Looking at the catalog costs more than the read itself.
const CHECK_AFTER_MS: u64 = 5_000;

/// How long a reader waits for the online store to be filled.
const FILLED_WITHIN_MS: u64 = 30_000;

/// Of one step of that.
const PAUSE_AT_MOST_MS: u32 = 500;

/// The feature server's answer: a column for each entity and each feature, in any order.
#[derive(Debug, Deserialize)]
struct Answer {
    metadata: Metadata,
    results: Vec<Column>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    feature_names: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Column {
    values: Vec<Value>,
    statuses: Vec<String>,
    event_timestamps: Vec<Value>,
}

/// The features of each entity row, in order, as a JSON array.
///
/// # Errors
/// `invalid-input` with the field; those of the feature server.
pub fn read(feast: Feast<'_>, request: &OnlineRequest) -> Result<String> {
    let rows: Vec<Map<String, Value>> = serde_json::from_str(&request.entities)
        .map_err(|error| Error::invalid("entities", format!("expected a list of objects: {error}")))?;
    names::outputs(&request.selections, request.full_names)?;
    let views = || request.selections.iter().map(|selection| &selection.view);
    let mut answers: Vec<Map<String, Value>> = rows.iter().map(|row| entities_of(row, views())).collect();
    for selection in &request.selections {
        let keys = of_rows(&selection.view, &rows)?;
        let known = fresh(feast, &selection.view)?;
        add(feast, &mut answers, selection, &keys, &known, request.full_names)?;
    }
    serde_json::to_string(&answers).map_err(Error::internal)
}

/// Adds a view's features: null where Feast has no row, or it is past its time to live.
fn add(
    feast: Feast<'_>,
    answers: &mut [Map<String, Value>],
    selection: &Selection,
    keys: &[Vec<String>],
    known: &Known,
    full_names: bool,
) -> Result<()> {
    let view = &selection.view;
    for answer in answers.iter_mut() {
        for feature in &selection.features {
            answer.insert(names::output(selection, feature, full_names), Value::Null);
        }
    }
    // A text where Feast has numbers identifies nothing.
    let asked: Vec<(usize, Vec<Value>)> =
        keys.iter().enumerate().filter_map(|(row, texts)| Some((row, typed(view, texts, known)?))).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let entities: Map<String, Value> = view
        .entities
        .iter()
        .enumerate()
        .map(|(at, entity)| {
            let values: Vec<Value> = asked.iter().filter_map(|(_, values)| values.get(at).cloned()).collect();
            (entity.clone(), values.into())
        })
        .collect();
    let features: Vec<String> = selection.features.iter().map(|feature| format!("{}:{feature}", view.name)).collect();
    let body = json!({"features": features, "entities": entities, "full_feature_names": true});
    let found = feast.client.post("get-online-features", &body)?;
    let found: Answer = serde_json::from_value(found)
        .map_err(|error| Error::internal(format!("the feature server's answer is not what was expected: {error}")))?;
    let now_ms = feast.host.now_ms();
    for feature in &selection.features {
        let name = format!("{}__{feature}", view.name);
        let column = found.metadata.feature_names.iter().position(|known| *known == name);
        let column = column.and_then(|at| found.results.get(at)).filter(|column| column.values.len() == asked.len());
        let column = column.ok_or_else(|| Error::internal(format!("the feature server left `{name}` out")))?;
        let dtype = view.features.iter().find(|known| known.name == *feature).map(|known| known.dtype);
        let dtype = dtype.ok_or_else(|| Error::internal(format!("view `{}` has no feature `{feature}`", view.name)))?;
        let data_type = known.types.get(feature).map_or("", String::as_str);
        for (place, (row, _)) in asked.iter().enumerate() {
            if column.statuses.get(place).is_none_or(|status| status != "PRESENT") {
                continue;
            }
            if is_valid(view, column.event_timestamps.get(place), now_ms)? {
                let value = column.values.get(place).unwrap_or(&Value::Null);
                let value = values::json(value, dtype, data_type)?;
                answers[*row].insert(names::output(selection, feature, full_names), value);
            }
        }
    }
    Ok(())
}

/// Keys as Feast has them; none for a text that is no number where it has those.
fn typed(view: &FeatureView, texts: &[String], known: &Known) -> Option<Vec<Value>> {
    let of = |(entity, text): (&String, &String)| {
        let number = known.types.get(entity).is_some_and(|data_type| is_number(data_type));
        if number { text.parse::<i64>().ok().map(Value::from) } else { Some(text.as_str().into()) }
    };
    view.entities.iter().zip(texts).map(of).collect()
}

fn is_valid(view: &FeatureView, at: Option<&Value>, now_ms: u64) -> Result<bool> {
    match (time_to_live(view), at) {
        (Some(seconds), Some(at)) => {
            let end = i128::from(values::milliseconds(at)?) + i128::from(seconds) * 1000;
            Ok(i128::from(now_ms) <= end)
        }
        _ => Ok(true),
    }
}

/// What is known of the view, its online store filled first when it must be.
fn fresh(feast: Feast<'_>, view: &FeatureView) -> Result<Known> {
    if !view.online {
        return Err(Error::invalid(
            "features",
            format!("feature view `{}` has no online store: register it with `online`: true", view.name),
        ));
    }
    let mut known = Known::of(feast.host, &view.name)?;
    let now_ms = feast.host.now_ms();
    let Some(filled) = &mut known.online else {
        fill(feast, view)?;
        return Known::of(feast.host, &view.name);
    };
    if now_ms.saturating_sub(filled.checked_ms) < CHECK_AFTER_MS {
        return Ok(known);
    }
    match feast.host.describe(&view.source) {
        Ok(table) if table.snapshot == filled.snapshot && table.snapshot.is_some() => {
            filled.checked_ms = now_ms;
            known.keep(feast.host, &view.name)?;
            return Ok(known);
        }
        Ok(_) => match fill(feast, view) {
            Ok(()) => return Known::of(feast.host, &view.name),
            Err(error) => stale(feast, view, &error),
        },
        Err(error) => stale(feast, view, &error),
    }
    Ok(known)
}

/// What the store has is still the last that was true.
fn stale(feast: Feast<'_>, view: &FeatureView, error: &Error) {
    let message = format!("the online store of `{}` is not filled anew: {}", view.name, error.words());
    feast.host.log(Level::Warn, &message);
}

fn fill(feast: Feast<'_>, view: &FeatureView) -> Result<()> {
    let start_ms = feast.host.now_ms();
    let mut work = Materialisation::begin(feast, view)?;
    loop {
        match work.advance(feast)? {
            Now::Succeeded(_) => return Ok(()),
            Now::Failed(error) => return Err(error),
            Now::Running(progress, pause) => {
                if feast.host.now_ms().saturating_sub(start_ms) > FILLED_WITHIN_MS {
                    return Err(Error::unavailable(format!(
                        "the online store of `{}` is still being filled: {}",
                        view.name, progress.message
                    )));
                }
                feast.host.pause(pause.min(PAUSE_AT_MOST_MS));
            }
        }
    }
}
