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
pub(crate) struct Answer {
    metadata: Metadata,
    results: Vec<Column>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    feature_names: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Column {
    values: Vec<Value>,
    statuses: Vec<String>,
    event_timestamps: Vec<Value>,
}

impl Answer {
    /// The column of a feature, with a value for each row that was asked for.
    ///
    /// # Errors
    /// `internal` when there is none.
    pub(crate) fn column(&self, view: &FeatureView, feature: &str, rows: usize) -> Result<&Column> {
        let name = format!("{}__{feature}", view.name);
        let column = self.metadata.feature_names.iter().position(|known| *known == name);
        let column = column.and_then(|at| self.results.get(at)).filter(|column| column.values.len() == rows);
        column.ok_or_else(|| Error::internal(format!("the feature server left `{name}` out")))
    }
}

impl Column {
    /// In milliseconds since 1970; none where there is no row.
    ///
    /// # Errors
    /// `internal` for what is no time.
    pub(crate) fn event_times(&self) -> Result<Vec<Option<i64>>> {
        let of_row = |(status, time): (&String, &Value)| {
            if status == "NOT_FOUND" { Ok(None) } else { values::milliseconds(time).map(Some) }
        };
        self.statuses.iter().zip(&self.event_timestamps).map(of_row).collect()
    }
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
        let known = fresh(feast, &selection.view, CHECK_AFTER_MS)?;
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
    let (rows, asked): (Vec<usize>, Vec<Vec<Value>>) =
        keys.iter().enumerate().filter_map(|(row, texts)| Some((row, typed(view, texts, known)?))).unzip();
    if asked.is_empty() {
        return Ok(());
    }
    let found = ask(feast, view, &selection.features, &asked)?;
    let now_ms = feast.host.now_ms();
    for feature in &selection.features {
        let column = found.column(view, feature, asked.len())?;
        let dtype = view.features.iter().find(|known| known.name == *feature).map(|known| known.dtype);
        let dtype = dtype.ok_or_else(|| Error::internal(format!("view `{}` has no feature `{feature}`", view.name)))?;
        let data_type = known.types.get(feature).map_or("", String::as_str);
        for (place, row) in rows.iter().enumerate() {
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

/// Asks the feature server for features of a view; each row with the entities' values, in the view's order.
///
/// # Errors
/// The server's own; `internal` for an answer of another shape.
pub(crate) fn ask(feast: Feast<'_>, view: &FeatureView, features: &[String], rows: &[Vec<Value>]) -> Result<Answer> {
    let entities: Map<String, Value> = view
        .entities
        .iter()
        .enumerate()
        .map(|(at, entity)| {
            let values: Vec<Value> = rows.iter().filter_map(|values| values.get(at).cloned()).collect();
            (entity.clone(), values.into())
        })
        .collect();
    let features: Vec<String> = features.iter().map(|feature| format!("{}:{feature}", view.name)).collect();
    let body = json!({"features": features, "entities": entities, "full_feature_names": true});
    let found = feast.client.post("get-online-features", &body)?;
    serde_json::from_value(found)
        .map_err(|error| Error::internal(format!("the feature server's answer is not what was expected: {error}")))
}

/// Keys as Feast has them; none for a text that is no number where it has those.
pub(crate) fn typed(view: &FeatureView, texts: &[String], known: &Known) -> Option<Vec<Value>> {
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

/// What is known of the view, its online store filled first when the table is known to be ahead, which is looked for unless that was done
/// less than `check_after_ms` ago.
///
/// # Errors
/// `invalid-input` for a view without a store; those of filling it for the first time.
pub(crate) fn fresh(feast: Feast<'_>, view: &FeatureView, check_after_ms: u64) -> Result<Known> {
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
    // What has no snapshots is filled whenever it is looked at.
    let check_after_ms = if filled.snapshot.is_none() { CHECK_AFTER_MS } else { check_after_ms };
    if now_ms.saturating_sub(filled.checked_ms) < check_after_ms {
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
