//! Point-in-time joins.

use asgard_sdk::Error;
use asgard_sdk::feature_source::Dtype;
use asgard_sdk::json::{Value, json};

use crate::{Row, World, all, rows, view};

const PACE: &str = "SELECT * FROM (VALUES
    ('OP-1', TIMESTAMP '2025-01-01 00:00:00 UTC', 10, TIMESTAMP '2025-01-01 01:00:00 UTC'),
    ('OP-1', TIMESTAMP '2025-01-03 00:00:00 UTC', 30, TIMESTAMP '2025-01-03 02:00:00 UTC'),
    ('OP-1', TIMESTAMP '2025-01-03 00:00:00 UTC', 31, TIMESTAMP '2025-01-03 01:00:00 UTC'),
    ('OP-1', TIMESTAMP '2025-01-05 00:00:00 UTC', NULL, TIMESTAMP '2025-01-05 01:00:00 UTC'),
    ('OP-2', TIMESTAMP '2025-01-02 00:00:00 UTC', 200, TIMESTAMP '2025-01-02 01:00:00 UTC'),
    (NULL,   TIMESTAMP '2025-01-02 00:00:00 UTC', 999, TIMESTAMP '2025-01-02 01:00:00 UTC')
) AS t (operator_id, seen, pace, made)";

fn asked(rows: &[(&str, &str)]) -> Vec<Row> {
    crate::rows(rows.iter().map(|(id, time)| json!({"operator_id": id, "event_timestamp": time})).collect())
}

#[tokio::test]
async fn a_row_gets_what_was_known_at_its_time_and_nothing_later() {
    let world = World::new().await;
    world.table("pace", PACE).await;
    let mut pace = view("pace", &[("pace", Dtype::Int64)]);
    pace.created_timestamp_column = Some("made".to_owned());
    let times = asked(&[
        ("OP-1", "2024-12-31T23:59:59Z"),
        ("OP-1", "2025-01-01T00:00:00Z"),
        ("OP-1", "2025-01-02T12:00:00Z"),
        // Two rows of that time: the one made later counts.
        ("OP-1", "2025-01-04T00:00:00Z"),
        // A null that was written is a null, not the value of before.
        ("OP-1", "2025-01-06T00:00:00Z"),
        ("OP-2", "2025-01-06T00:00:00Z"),
        ("OP-3", "2025-01-06T00:00:00Z"),
    ]);
    let found = world.historical(Some(&times), &[&pace], false).await.unwrap();
    assert_eq!(
        all(&found, "pace"),
        [json!(null), json!(10), json!(10), json!(30), json!(null), json!(200), json!(null)]
    );
}

#[tokio::test]
async fn a_row_past_its_time_to_live_is_null() {
    let world = World::new().await;
    world.table("pace", PACE).await;
    let mut pace = view("pace", &[("pace", Dtype::Int64)]);
    pace.ttl_seconds = 86_400;
    let times =
        asked(&[("OP-2", "2025-01-02T06:00:00Z"), ("OP-2", "2025-01-03T00:00:00Z"), ("OP-2", "2025-01-03T00:00:01Z")]);
    let found = world.historical(Some(&times), &[&pace], false).await.unwrap();
    assert_eq!(all(&found, "pace"), [json!(200), json!(200), json!(null)]);
}

#[tokio::test]
async fn rows_keep_their_order_their_columns_and_their_number() {
    let world = World::new().await;
    world.table("pace", PACE).await;
    world
        .table(
            "care",
            "SELECT * FROM (VALUES ('OP-1', DATE '2025-01-02', 0.90), ('OP-2', DATE '2025-01-01', 0.50))
             AS t (operator_id, seen, pace)",
        )
        .await;
    let views = [view("pace", &[("pace", Dtype::Int64)]), view("care", &[("pace", Dtype::Float64)])];
    let given = rows(json!([
        {"operator_id": "OP-2", "event_timestamp": "2025-01-06T00:00:00Z", "label": true},
        {"operator_id": "OP-1", "event_timestamp": "2025-01-02T00:00:00Z", "label": false},
        {"operator_id": "OP-2", "event_timestamp": "2025-01-06T00:00:00Z", "label": true},
        {"operator_id": null, "event_timestamp": "2025-01-06T00:00:00Z", "label": null},
    ]));
    let found = world.historical(Some(&given), &[&views[0], &views[1]], true).await.unwrap();
    let names: Vec<&str> = found[0].keys().map(String::as_str).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert_eq!(all(&found, "operator_id"), [json!("OP-2"), json!("OP-1"), json!("OP-2"), json!(null)]);
    assert_eq!(all(&found, "label"), [json!(true), json!(false), json!(true), json!(null)]);
    assert_eq!(all(&found, "pace__pace"), [json!(200), json!(10), json!(200), json!(null)]);
    assert_eq!(all(&found, "care__pace"), [json!(0.5), json!(0.9), json!(0.5), json!(null)]);
}

#[tokio::test]
async fn without_rows_the_latest_of_each_entity_come_with_the_other_views_as_they_were_then() {
    let world = World::new().await;
    world.table("pace", PACE).await;
    world
        .table(
            "care",
            "SELECT * FROM (VALUES
                ('OP-1', TIMESTAMP '2025-01-05 00:00:00', 5), ('OP-1', TIMESTAMP '2025-01-05 00:00:01', 6),
                ('OP-2', TIMESTAMP '2025-01-03 00:00:00', 7)) AS t (operator_id, seen, care)",
        )
        .await;
    let (pace, care) = (view("pace", &[("pace", Dtype::Int64)]), view("care", &[("care", Dtype::Int64)]));
    let found = world.historical(None, &[&pace, &care], false).await.unwrap();
    assert_eq!(all(&found, "operator_id"), [json!("OP-1"), json!("OP-2")]);
    assert_eq!(all(&found, "event_timestamp"), [json!("2025-01-05T00:00:00Z"), json!("2025-01-02T00:00:00Z")]);
    assert_eq!(all(&found, "pace"), [json!(null), json!(200)]);
    assert_eq!(all(&found, "care"), [json!(5), json!(null)]);
}

#[tokio::test]
async fn rows_without_a_time_are_valid_at_all_times() {
    let world = World::new().await;
    world.table("plant", "SELECT * FROM (VALUES (1, 'Oslo'), (2, 'Kyoto')) AS t (operator_id, city)").await;
    let mut plant = view("plant", &[("city", Dtype::String)]);
    plant.timestamp_field = None;
    plant.ttl_seconds = 60;
    // Ids as texts find numbers: the rows are read as the table's type.
    let given = rows(json!([
        {"operator_id": "2", "event_timestamp": "1999-01-01T00:00:00Z"},
        {"operator_id": "1", "event_timestamp": "2999-01-01T00:00:00Z"},
        {"operator_id": "3", "event_timestamp": "2025-01-01T00:00:00Z"},
    ]));
    let found = world.historical(Some(&given), &[&plant], false).await.unwrap();
    assert_eq!(all(&found, "city"), [json!("Kyoto"), json!("Oslo"), json!(null)]);
}

fn row(value: Value) -> Row {
    value.as_object().unwrap().clone()
}

/// A time in January 2025.
fn after_hours(hours: i64, minutes: i64) -> String {
    format!("2025-01-{:02}T{:02}:{minutes:02}:00Z", 1 + hours / 24, hours % 24)
}

#[tokio::test]
async fn every_row_of_many_gets_what_looking_through_all_of_them_gives() {
    let world = World::new().await;
    // Pseudo-random times and entities, with ties; the value tells which row it was.
    let known: Vec<Row> = (1..=1500_i64)
        .map(|n| row(json!({"operator_id": n * 7919 % 23, "seen": after_hours(n * 104_729 % 500, 0), "value": n})))
        .collect();
    world.table_of("many", &known, "seen").await;
    let mut many = view("many", &[("value", Dtype::Int64)]);
    many.ttl_seconds = 20 * 3600;
    let given: Vec<(i64, i64)> = (0..400_i64).map(|n| (n * 31 % 25, n * 7907 % 520)).collect();
    let asked: Vec<Row> = given
        .iter()
        .map(|(id, hour)| row(json!({"operator_id": id, "event_timestamp": after_hours(*hour, 30)})))
        .collect();
    let found = world.historical(Some(&asked), &[&many], false).await.unwrap();
    let expected: Vec<_> = given
        .iter()
        .map(|(id, hour)| {
            let known = (1..=1500_i64).filter(|n| n * 7919 % 23 == *id && n * 104_729 % 500 <= *hour);
            let latest = known.max_by_key(|n| (n * 104_729 % 500, *n));
            // Half an hour past the hour: 20 hours hold 19 and a half.
            latest.filter(|n| hour - n * 104_729 % 500 < 20).map_or(json!(null), |n| json!(n))
        })
        .collect();
    assert_eq!(all(&found, "value"), expected);
    assert!(expected.iter().filter(|value| value.is_null()).count() > 20);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_the_field() {
    let world = World::new().await;
    world.table("pace", PACE).await;
    let pace = view("pace", &[("pace", Dtype::Int64)]);
    let cases = [
        (json!([{"operator_id": "OP-1"}]), "entities", "event_timestamp"),
        (json!([{"who": "OP-1", "event_timestamp": "2025-01-01T00:00:00Z"}]), "entities", "operator_id"),
        (json!([{"operator_id": "OP-1", "pace": 1, "event_timestamp": "2025-01-01T00:00:00Z"}]), "entities", "pace"),
    ];
    for (given, field, named) in cases {
        match world.historical(Some(&rows(given)), &[&pace], false).await {
            Err(Error::InvalidInput(input)) => {
                assert_eq!(input.field.as_deref(), Some(field));
                assert!(input.message.contains(named), "{}", input.message);
            }
            other => panic!("expected invalid input, not {other:?}"),
        }
    }
    let twice = world.historical(None, &[&pace, &pace], false).await;
    assert!(matches!(twice, Err(Error::InvalidInput(input)) if input.field.as_deref() == Some("full_feature_names")));
}
