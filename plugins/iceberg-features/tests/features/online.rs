//! What the online store is filled with, and how it is read.

use asgard_capabilities::lakehouse::Engine as _;
use asgard_contract::lakehouse::{Dialect, Input, Statement};
use asgard_features::sql::Source;
use asgard_plugin_iceberg_features::historical::input_name;
use asgard_plugin_iceberg_features::materialise::{Stored, entries, statement};
use asgard_plugin_iceberg_features::online::{add, keys};
use asgard_sdk::feature_source::{Dtype, FeatureView};
use asgard_sdk::json::{self, Map, json};

use crate::{World, rows, view, whole};

async fn stored(world: &World, view: &FeatureView) -> Vec<(String, Stored)> {
    let columns = world.columns(view).await;
    let table = asgard_contract::TableName::new(&view.source.namespace, &view.source.name);
    let statement = Statement {
        sql: statement(&Source { view, columns: &columns }).unwrap(),
        dialect: Dialect::Trino,
        inputs: vec![(input_name(0), Input::Table(table))],
    };
    let ipc = world.lakehouse.query(&statement, 1000).await.unwrap();
    let mut found: Vec<(String, Stored)> =
        entries(view, &ipc).unwrap().into_iter().map(|(key, value)| (key, json::from_slice(&value).unwrap())).collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

#[tokio::test]
async fn the_latest_row_of_each_entity_is_stored_with_its_time() {
    let world = World::new().await;
    world
        .table(
            "shifts",
            "SELECT plant, shift, CAST(seen AS TIMESTAMP(6) WITH TIME ZONE) AS seen, pace, teams, night, opened, note
             FROM (VALUES
                ('A', 1, TIMESTAMP '2025-01-01 00:00:00.500', 1.5E0, ARRAY[1, 2], true, DATE '2025-01-01', 'x'),
                ('A', 1, TIMESTAMP '2025-01-02 00:00:00.250', 2.5E0, ARRAY[3], NULL, DATE '2024-02-29', 'é'),
                ('A', 2, TIMESTAMP '2025-01-01 00:00:00', CAST(NULL AS DOUBLE), NULL, false, NULL, NULL)
             ) AS t (plant, shift, seen, pace, teams, night, opened, note)",
        )
        .await;
    let mut shifts = view(
        "shifts",
        &[
            ("pace", Dtype::Float64),
            ("teams", Dtype::ArrayInt64),
            ("night", Dtype::Bool),
            ("opened", Dtype::UnixTimestamp),
            ("seen", Dtype::UnixTimestamp),
            ("note", Dtype::String),
        ],
    );
    shifts.entities = vec!["plant".to_owned(), "shift".to_owned()];
    let expected = [
        (
            r#"["A","1"]"#,
            1_735_776_000_250,
            json!({"pace": 2.5, "teams": [3], "night": null, "opened": "2024-02-29", "seen": "2025-01-02T00:00:00.250Z", "note": "é"}),
        ),
        (
            r#"["A","2"]"#,
            1_735_689_600_000,
            json!({"pace": null, "teams": null, "night": false, "opened": null, "seen": "2025-01-01T00:00:00Z", "note": null}),
        ),
    ];
    let found = stored(&world, &shifts).await;
    assert_eq!(found.len(), expected.len());
    for ((key, stored), (expected_key, at, features)) in found.iter().zip(&expected) {
        assert_eq!((key.as_str(), stored.at), (*expected_key, Some(*at)));
        assert_eq!(json!(stored.features), *features);
    }
}

#[tokio::test]
async fn a_row_is_stored_with_the_microsecond_of_its_event_and_when_it_was_created() {
    let world = World::new().await;
    world
        .table(
            "moods",
            "SELECT operator_id, CAST(seen AS TIMESTAMP(6)) AS seen, CAST(made AS TIMESTAMP(6)) AS made, mood FROM (VALUES
                ('a', TIMESTAMP '2025-01-01 00:00:00.000999', TIMESTAMP '2025-01-02 00:00:00', 1),
                ('a', TIMESTAMP '2025-01-01 00:00:00.000999', TIMESTAMP '2025-01-01 00:00:00', 2),
                ('b', TIMESTAMP '1969-12-31 23:59:59.999999', NULL, 3)
             ) AS t (operator_id, seen, made, mood)",
        )
        .await;
    let mut moods = view("moods", &[("mood", Dtype::Int32)]);
    moods.created_timestamp_column = Some("made".to_owned());
    let found = stored(&world, &moods).await;
    let ages: Vec<_> =
        found.iter().map(|(_, row)| (row.event_time(), row.made, row.features["mood"].clone())).collect();
    let expected = [(Some(1_735_689_600_000_999), Some(1_735_776_000_000_000), json!(1)), (Some(-1), None, json!(3))];
    assert_eq!(ages, expected);
}

#[test]
fn a_row_of_an_earlier_version_is_read() {
    let stored: Stored = json::from_str(r#"{"at": 1000, "features": {"mood": 1}}"#).unwrap();
    assert_eq!((stored.event_time(), stored.made), (Some(1_000_000), None));
}

#[test]
fn entities_are_found_however_their_numbers_are_written() {
    let mut shifts = view("shifts", &[("pace", Dtype::Float64)]);
    shifts.entities = vec!["plant".to_owned(), "shift".to_owned()];
    let asked = rows(json!([
        {"plant": "A", "shift": 7}, {"shift": "7", "plant": "A"}, {"plant": "A", "shift": 7.0, "more": []},
    ]));
    assert_eq!(keys(&shifts, &asked).unwrap(), [r#"["A","7"]"#; 3]);
    for bad in [json!([{"plant": "A"}]), json!([{"plant": null, "shift": 1}]), json!([{"plant": ["A"], "shift": 1}])] {
        assert!(keys(&shifts, &rows(bad)).is_err());
    }
}

#[test]
fn a_row_past_its_time_to_live_is_read_as_null() {
    let mut shifts = view("shifts", &[("pace", Dtype::Float64)]);
    let stored = Stored::new(Some(1_000_000_000), None, json!({"pace": 2.5}).as_object().unwrap().clone());
    let read = |view: &FeatureView, stored: Option<Stored>, now| {
        let mut answer = Map::new();
        add(&mut answer, &whole(view), stored, now, false);
        answer["pace"].clone()
    };
    assert_eq!(read(&shifts, Some(stored.clone()), u64::MAX), json!(2.5));
    assert_eq!(read(&shifts, None, 0), json!(null));
    shifts.ttl_seconds = 60;
    assert_eq!(read(&shifts, Some(stored.clone()), 1_060_000), json!(2.5));
    assert_eq!(read(&shifts, Some(stored.clone()), 1_060_001), json!(null));
    shifts.timestamp_field = None;
    assert_eq!(read(&shifts, Some(Stored { at: None, ..stored }), u64::MAX), json!(2.5));
}
