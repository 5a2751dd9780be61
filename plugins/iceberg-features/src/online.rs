//! Online reads: one look into the key-value store per view, and another one for a view that rows were pushed to.
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
use crate::push::{self, PUSHED, UNPUSHED};

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
        let held = held(&selection.view, &keys, CHECK_AFTER_MS)?;
        for (answer, found) in answers.iter_mut().zip(push::newest(&selection.view, &keys, held)?) {
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

/// What the store has of the table for some keys.
#[derive(Debug)]
pub struct Held {
    pub filled: Filled,
    pub rows: Vec<Option<Stored>>,
    /// Whether rows were pushed beside them; none: nobody has looked since the store was filled.
    pub pushed: Option<bool>,
}

/// What the store has for the keys. It is filled first when the table is known to be ahead, which is looked for unless that was done
/// less than `check_after_ms` ago.
///
/// # Errors
/// `invalid-input` for a view without a store; those of filling it.
pub fn held(view: &FeatureView, keys: &[String], check_after_ms: u64) -> Result<Held> {
    if !view.online {
        return Err(Error::invalid(
            "features",
            format!("feature view `{}` has no online store: register it with `online`: true", view.name),
        ));
    }
    if let Some(held) = look(view, keys)?
        && !is_behind(view, &held.filled, check_after_ms)?
    {
        return Ok(held);
    }
    fill(view)?;
    look(view, keys)?.ok_or_else(|| Error::Conflict(format!("feature view `{}` was removed meanwhile", view.name)))
}

/// None when it was never filled.
fn look(view: &FeatureView, keys: &[String]) -> Result<Option<Held>> {
    let mut asked = [STATE, PUSHED, UNPUSHED].map(str::to_owned).to_vec();
    asked.extend_from_slice(keys);
    let mut found = key_value::get_many(&bucket(&view.name), &asked)?.into_iter();
    let [state, pushed, unpushed] = [(); 3].map(|()| found.next().flatten());
    let Some(state) = state else { return Ok(None) };
    let filled: Filled = decode(&state)?;
    let unpushed = unpushed.map(|value| decode::<u64>(&value)).transpose()?;
    let pushed = match (pushed, unpushed) {
        (Some(_), _) => Some(true),
        (None, Some(filled_ms)) if filled_ms == filled.filled_ms => Some(false),
        _ => None,
    };
    let rows = found.map(|value| value.map(|value| decode(&value)).transpose()).collect::<Result<_>>()?;
    Ok(Some(Held { filled, rows, pushed }))
}

fn is_behind(view: &FeatureView, filled: &Filled, check_after_ms: u64) -> Result<bool> {
    let now = context::now_ms();
    if now.saturating_sub(filled.checked_ms) < check_after_ms {
        return Ok(false);
    }
    match lakehouse::describe(&view.source) {
        Ok(table) if table.snapshot != filled.snapshot => Ok(true),
        Ok(_) => {
            let seen = Filled { checked_ms: now, ..filled.clone() };
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

/// Forgets all of a view.
///
/// # Errors
/// Those of the host.
pub fn forget(view: &FeatureView) -> Result<()> {
    key_value::delete_bucket(&bucket(&view.name))?;
    key_value::delete_bucket(&push::bucket(&view.name))
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
