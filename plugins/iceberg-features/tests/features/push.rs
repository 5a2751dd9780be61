//! What stays of a pushed row and the table's.

use std::collections::HashMap;

use asgard_features::push::Row;
use asgard_plugin_iceberg_features::materialise::{Filled, Stored};
use asgard_plugin_iceberg_features::push::{Pushed, Taken, newer, taken};
use asgard_sdk::json::{Map, Value, json};

/// Of snapshot 7.
fn filled() -> Filled {
    Filled { snapshot: Some(7), entities: 1, checked_ms: 1000, filled_ms: 1000 }
}

fn features(pace: i64) -> Map<String, Value> {
    json!({"pace": pace}).as_object().unwrap().clone()
}

fn row(at: Option<i64>, made: Option<i64>, pace: i64) -> (String, Row) {
    ("k".to_owned(), Row { key: vec!["k".to_owned()], at, made, features: features(pace) })
}

fn of_table(at: Option<i64>, made: Option<i64>) -> HashMap<String, Stored> {
    HashMap::from([("k".to_owned(), Stored::new(at, made, features(0)))])
}

/// Pushes rows one push after the other, and reads the entity: rows written, rows older, what is read.
fn pushed(rows: &[(String, Row)], table: &HashMap<String, Stored>) -> (u64, u64, Value) {
    let mut before: HashMap<String, Pushed> = HashMap::new();
    let (mut written, mut older) = (0, 0);
    for row in rows {
        let taken = taken(vec![row.clone()], table, &before, &filled(), 2000);
        before.extend(taken.rows);
        (written, older) = (written + taken.written, older + taken.older);
    }
    let read = newer(table.get("k").cloned(), before.remove("k"), &filled());
    (written, older, read.map_or(Value::Null, |row| row.features["pace"].clone()))
}

#[test]
fn the_newer_event_time_stays_to_the_microsecond() {
    let table = of_table(Some(5_000_500), None);
    assert_eq!(pushed(&[row(Some(5_000_501), None, 1)], &table), (1, 0, json!(1)));
    assert_eq!(pushed(&[row(Some(5_000_499), None, 1)], &table), (0, 1, json!(0)));
    assert_eq!(pushed(&[row(Some(6_000_000), None, 1), row(Some(5_999_999), None, 2)], &table), (1, 1, json!(1)));
    assert_eq!(pushed(&[row(Some(-2), None, 1)], &HashMap::new()), (1, 0, json!(1)));
}

#[test]
fn a_tie_goes_to_the_row_that_was_created_last_then_to_the_push() {
    assert_eq!(pushed(&[row(Some(5), None, 1)], &of_table(Some(5), None)), (1, 0, json!(1)));
    let table = of_table(Some(5), Some(10));
    assert_eq!(pushed(&[row(Some(5), Some(9), 1)], &table), (0, 1, json!(0)));
    assert_eq!(pushed(&[row(Some(5), Some(10), 1)], &table), (1, 0, json!(1)));
    assert_eq!(pushed(&[row(Some(5), Some(11), 1), row(Some(5), Some(10), 2)], &table), (1, 1, json!(1)));
    assert_eq!(pushed(&[row(Some(5), Some(1), 1)], &of_table(Some(5), None)), (1, 0, json!(1)));
    assert_eq!(pushed(&[row(None, Some(9), 1)], &of_table(None, Some(10))), (0, 1, json!(0)));
}

#[test]
fn rows_of_one_push_are_taken_in_their_order() {
    let rows = vec![row(Some(5), None, 1), row(Some(4), None, 2), row(Some(5), None, 3)];
    let Taken { rows, written, older } = taken(rows, &HashMap::new(), &HashMap::new(), &filled(), 2000);
    assert_eq!((written, older, &rows["k"].row.features["pace"]), (2, 1, &json!(3)));
    let again = taken(vec![row(Some(5), None, 3)], &HashMap::new(), &rows, &filled(), 2000);
    assert_eq!(again.rows, rows, "a repeated push changes nothing");
}

#[test]
fn a_later_snapshot_replaces_what_is_older_and_keeps_what_is_newer() {
    let timed = Pushed { row: Stored::new(Some(5), None, features(1)), over: Some(7), pushed_ms: 2000 };
    let timeless = Pushed { row: Stored::new(None, None, features(1)), ..timed.clone() };
    let later = Filled { snapshot: Some(8), filled_ms: 3000, ..filled() };
    let read = |pushed: &Pushed, of_table: Option<Stored>, filled: &Filled| {
        newer(of_table, Some(pushed.clone()), filled).unwrap().features["pace"].clone()
    };
    let row = |at| Some(Stored::new(at, None, features(0)));
    assert_eq!(read(&timed, row(Some(6)), &later), json!(0));
    assert_eq!(read(&timed, row(Some(4)), &later), json!(1));
    assert_eq!(read(&timed, None, &later), json!(1));
    // Without times it is the last to come; the same snapshot again comes not later.
    assert_eq!(read(&timeless, row(None), &later), json!(0));
    assert_eq!(read(&timeless, None, &later), json!(1));
    assert_eq!(read(&timeless, row(None), &Filled { filled_ms: 3000, ..filled() }), json!(1));
    // A view of the lakehouse has no snapshots: its filling counts.
    let of_view = Pushed { over: None, ..timeless };
    assert_eq!(read(&of_view, row(None), &Filled { snapshot: None, filled_ms: 3000, ..filled() }), json!(0));
    assert_eq!(read(&of_view, row(None), &Filled { snapshot: None, ..filled() }), json!(1));
}
