//! Rows that are pushed: they are read at once, and joins do not see them.
//!
//! They are kept in a bucket of their own, since a materialisation replaces the view's as a whole; a read takes the newer of both.
//! A row that the table has overtaken just loses. It is not removed: a newer one, pushed in between, would go with it.
//!
//! | key | value |
//! | --- | --- |
//! | an entity's, as in the view's bucket | [`Pushed`] |
//! | `state` | that there are any |
//!
//! Most views are never pushed to, and their reads are spared the second look. Two keys of the view's bucket tell:
//!
//! | key | value |
//! | --- | --- |
//! | `pushed` | rows were pushed |
//! | `unpushed` | when the bucket was filled that a read found nothing pushed to |
//!
//! A filling removes both, and a read that finds neither, or an `unpushed` of another filling, looks. A push writes its rows first and
//! `pushed` after them. So no order of a push, a filling and a read hides a row: what could is an `unpushed` that outlives a filling,
//! and that one does not count.

use std::collections::HashMap;

use asgard_features::columns::find;
use asgard_features::push::{Row, rows, view};
use asgard_sdk::context::Level;
use asgard_sdk::feature_push::{Outcome, Request};
use asgard_sdk::feature_source::FeatureView;
use asgard_sdk::{Error, Result, context, decode, encode, key_value, lakehouse};
use serde::{Deserialize, Serialize};

use crate::materialise::{self, Filled, STATE, Stored, key};
use crate::online::{self, Held};

/// In a view's bucket: rows were pushed.
pub const PUSHED: &str = "pushed";
/// In a view's bucket: none were, when it had been filled at the moment that is the value.
pub const UNPUSHED: &str = "unpushed";

/// A row that was pushed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pushed {
    pub row: Stored,
    /// The snapshot that the view's bucket had been filled from; none for a view of the lakehouse.
    pub over: Option<i64>,
    pub pushed_ms: u64,
}

impl Pushed {
    fn new(row: Row, filled: &Filled, now_ms: u64) -> Self {
        Self { row: Stored::new(row.at, row.made, row.features), over: filled.snapshot, pushed_ms: now_ms }
    }

    /// Whether it stays, of itself and the row of the table.
    pub fn stays_over(&self, of_table: &Stored, filled: &Filled) -> bool {
        if self.row.event_time().is_some() || self.row.made.is_some() {
            return age(&self.row) >= age(of_table);
        }
        // Rows without times: what came last. Where there are no snapshots, it is the filling that came.
        self.over == filled.snapshot && (filled.snapshot.is_some() || self.pushed_ms >= filled.filled_ms)
    }
}

/// Event time, then created timestamp: the greater is the newer.
fn age(row: &Stored) -> (Option<i64>, Option<i64>) {
    (row.event_time(), row.made)
}

/// The bucket with what was pushed to a view.
pub fn bucket(view: &str) -> String {
    format!("pushed.{view}")
}

/// Writes rows.
///
/// # Errors
/// `invalid-input` with row and column, `conflict` when the table no longer fits the view.
pub fn push(request: Request) -> Result<Outcome> {
    let view = view(request.view);
    let table = lakehouse::describe(&view.source).map_err(|error| match error {
        Error::NotFound(message) => {
            Error::Conflict(format!("the table of feature view `{}` is gone: {message}", view.name))
        }
        other => other,
    })?;
    let type_of = |column: &str| find(&table.columns, column).map_or("", |column| column.data_type.as_str());
    let given = rows(&view, &request.rows, type_of, context::now_ms())?;
    let given = given.into_iter().map(|row| Ok((key(&row.key)?, row))).collect::<Result<Vec<_>>>()?;
    let mut keys: Vec<String> = given.iter().map(|(key, _)| key.clone()).collect();
    keys.sort_unstable();
    keys.dedup();

    let held = online::held(&view, &keys, 0)?;
    let before = key_value::get_many(&bucket(&view.name), &keys)?;
    let mut pushed = HashMap::new();
    for (key, value) in keys.iter().zip(before) {
        if let Some(value) = value {
            pushed.insert(key.clone(), decode(&value)?);
        }
    }
    let of_table: HashMap<String, Stored> =
        keys.iter().cloned().zip(held.rows).filter_map(|(key, row)| Some((key, row?))).collect();
    let taken = taken(given, &of_table, &pushed, &held.filled, context::now_ms());
    if !taken.rows.is_empty() {
        let mut entries = vec![(STATE.to_owned(), b"{}".to_vec())];
        for (key, row) in &taken.rows {
            entries.push((key.clone(), encode(row)?));
        }
        key_value::set_many(&bucket(&view.name), &entries)?;
        key_value::set_many(&materialise::bucket(&view.name), &[(PUSHED.to_owned(), b"true".to_vec())])?;
    }
    context::log(
        Level::Info,
        &format!("online store of `{}`: {} rows pushed, {} were older", view.name, taken.written, taken.older),
    );
    Ok(Outcome { written: taken.written, older: taken.older })
}

/// What becomes of the rows of a push.
#[derive(Debug, PartialEq)]
pub struct Taken {
    /// To be kept, by key.
    pub rows: HashMap<String, Pushed>,
    pub written: u64,
    pub older: u64,
}

/// Takes rows one after the other, unless they are older than the table's or than one that was pushed before.
pub fn taken(
    given: Vec<(String, Row)>,
    of_table: &HashMap<String, Stored>,
    before: &HashMap<String, Pushed>,
    filled: &Filled,
    now_ms: u64,
) -> Taken {
    let mut taken = Taken { rows: HashMap::new(), written: 0, older: 0 };
    for (key, row) in given {
        let row = Pushed::new(row, filled, now_ms);
        let over_table = of_table.get(&key).is_none_or(|of_table| row.stays_over(of_table, filled));
        let pushed = taken.rows.get(&key).or_else(|| before.get(&key));
        if over_table && pushed.is_none_or(|pushed| age(&row.row) >= age(&pushed.row)) {
            taken.rows.insert(key, row);
            taken.written += 1;
        } else {
            taken.older += 1;
        }
    }
    taken
}

/// The newest rows of the keys: the table's, or those that were pushed.
///
/// # Errors
/// Those of the host.
pub fn newest(view: &FeatureView, keys: &[String], held: Held) -> Result<Vec<Option<Stored>>> {
    if held.pushed == Some(false) {
        return Ok(held.rows);
    }
    let mut asked = vec![STATE.to_owned()];
    asked.extend_from_slice(keys);
    let mut found = key_value::get_many(&bucket(&view.name), &asked)?.into_iter();
    let any = found.next().flatten().is_some();
    if held.pushed.is_none() {
        let told = if any {
            (PUSHED.to_owned(), b"true".to_vec())
        } else {
            (UNPUSHED.to_owned(), encode(&held.filled.filled_ms)?)
        };
        key_value::set_many(&materialise::bucket(&view.name), &[told])?;
    }
    if !any {
        return Ok(held.rows);
    }
    let of_both = |(of_table, pushed): (Option<Stored>, Option<Vec<u8>>)| -> Result<Option<Stored>> {
        let pushed: Option<Pushed> = pushed.map(|value| decode(&value)).transpose()?;
        Ok(newer(of_table, pushed, &held.filled))
    };
    held.rows.into_iter().zip(found).map(of_both).collect()
}

/// The newer of an entity's two rows.
pub fn newer(of_table: Option<Stored>, pushed: Option<Pushed>, filled: &Filled) -> Option<Stored> {
    match (of_table, pushed) {
        (Some(of_table), Some(pushed)) => {
            Some(if pushed.stays_over(&of_table, filled) { pushed.row } else { of_table })
        }
        (of_table, pushed) => of_table.or(pushed.map(|pushed| pushed.row)),
    }
}
