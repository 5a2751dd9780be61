//! Online reads: one look into the key-value store per view.
//!
//! A table may have a newer snapshot than the one that its online store was filled from. Reads look for that, but not more
//! often than [`CHECK_AFTER_MS`], and fill it again first: an answer is never older than that.

use asgard_features::keys::{entities_of, of_rows};
use asgard_features::names;
use asgard_features::sql::time_to_live;
use asgard_sdk::context::Level;
use asgard_sdk::feature_source::{FeatureView, OnlineRequest, Selection};
use asgard_sdk::json::{self, Map, Value};
use asgard_sdk::{Error, Result, context, decode, encode, key_value, lakehouse};

use crate::materialise::{Filled, STATE, Stored, bucket, fill, key};

/// Looking at the catalog costs more than the read itself.
const CHECK_AFTER_MS: u64 = 5_000;

/// The features of each entity row, in order, as a JSON array.
///
/// # Errors
/// `invalid-input` with the field.
pub fn read(request: &OnlineRequest) -> Result<String> {
    let rows: Vec<Map<String, Value>> = json::from_str(&request.entities)
        .map_err(|error| Error::invalid("entities", format!("expected a list of objects: {error}")))?;
    names::outputs(&request.selections, request.full_names)?;
    let mut answers = rows
        .iter()
        .map(|row| entities_of(row, request.selections.iter().map(|selection| &selection.view)))
        .collect::<Vec<_>>();
    let now = context::now_ms();
    for selection in &request.selections {
        let keys = keys(&selection.view, &rows)?;
        for (answer, found) in answers.iter_mut().zip(values(&selection.view, &keys, now)?) {
            add(answer, selection, found, now, request.full_names);
        }
    }
    json::to_string(&answers).map_err(Error::internal)
}

/// The keys of a view's entities in the rows.
///
/// # Errors
/// `invalid-input` naming row and entity.
pub fn keys(view: &FeatureView, rows: &[Map<String, Value>]) -> Result<Vec<String>> {
    of_rows(view, rows)?.iter().map(|texts| key(texts)).collect()
}

/// What the store has for the keys; filled first when it must be.
fn values(view: &FeatureView, keys: &[String], now: u64) -> Result<Vec<Option<Stored>>> {
    if !view.online {
        return Err(Error::invalid(
            "features",
            format!("feature view `{}` has no online store: register it with `online`: true", view.name),
        ));
    }
    let bucket = bucket(&view.name);
    let mut asked = vec![STATE.to_owned()];
    asked.extend_from_slice(keys);
    let found = key_value::get_many(&bucket, &asked)?;
    let (state, mut found) = match found.split_first() {
        Some((state, found)) => (state.as_deref(), found.to_vec()),
        None => (None, Vec::new()),
    };
    if is_behind(view, state, now)? {
        fill(view)?;
        found = key_value::get_many(&bucket, keys)?;
    }
    found.into_iter().map(|value| value.map(|value| decode(&value)).transpose()).collect()
}

fn is_behind(view: &FeatureView, state: Option<&[u8]>, now: u64) -> Result<bool> {
    let Some(state) = state else { return Ok(true) };
    let filled: Filled = decode(state)?;
    if now.saturating_sub(filled.checked_ms) < CHECK_AFTER_MS {
        return Ok(false);
    }
    match lakehouse::describe(&view.source) {
        Ok(table) if table.snapshot != filled.snapshot => Ok(true),
        Ok(_) => {
            let seen = Filled { checked_ms: now, ..filled };
            key_value::set_many(&bucket(&view.name), &[(STATE.to_owned(), encode(&seen)?)])?;
            Ok(false)
        }
        // What the store has is still the last that was true.
        Err(error) => {
            context::log(Level::Warn, &format!("`{}` cannot be compared with its table: {error:?}", view.name));
            Ok(false)
        }
    }
}

/// Adds a view's features to an answer: null where there is no row, or it is past its time to live.
pub fn add(answer: &mut Map<String, Value>, selection: &Selection, found: Option<Stored>, now: u64, full: bool) {
    let valid = found.filter(|stored| is_valid(&selection.view, stored, now));
    for feature in &selection.features {
        let value = valid.as_ref().and_then(|stored| stored.features.get(feature)).cloned().unwrap_or_default();
        answer.insert(names::output(selection, feature, full), value);
    }
}

fn is_valid(view: &FeatureView, stored: &Stored, now: u64) -> bool {
    match (time_to_live(view), stored.at) {
        (Some(seconds), Some(at)) => {
            let end = i128::from(at) + i128::from(seconds) * 1000;
            i128::from(now) <= end
        }
        _ => true,
    }
}
