use asgard_plugin_feast::known::{File, Filled, Known};
use asgard_plugin_feast::push::push;
use asgard_sdk::Error;
use asgard_sdk::feature_push::{self, Outcome, Request, View};
use asgard_sdk::feature_source::{Dtype, FeatureView};
use serde_json::{Value, json};

use crate::recorded::{Recorded, answer, view};

const READ: &str = "POST /get-online-features";
const WRITE: &str = "POST /write-to-online-store";

/// A view whose online store was just filled. It has `a` of 03:00 and `b` of 02:00, and no `zz`.
fn filled() -> Recorded {
    let host = Recorded::new(&[
        (READ, answer!(200, "online.json")),
        (WRITE, (200, "null".to_owned())),
        ("GET /api/v1/feature_views/v", answer!(200, "view-generated.json")),
        ("POST /materialize", (200, "null".to_owned())),
    ]);
    let known = Known {
        file: Some(File { snapshot: Some(7), sql: String::new() }),
        applied: true,
        online: Some(Filled { snapshot: Some(7), checked_ms: host.now_ms.get() }),
        types: host.columns.iter().map(|column| (column.name.clone(), column.data_type.clone())).collect(),
    };
    known.keep(&host, "v").unwrap();
    host
}

fn request(view: FeatureView, rows: &Value) -> Request {
    let feature = |(name, dtype): (String, Dtype)| feature_push::Feature {
        name,
        dtype: match dtype {
            Dtype::Int64 => feature_push::Dtype::Int64,
            Dtype::Float32 => feature_push::Dtype::Float32,
            Dtype::String => feature_push::Dtype::String,
            Dtype::Bytes => feature_push::Dtype::Bytes,
            Dtype::UnixTimestamp => feature_push::Dtype::UnixTimestamp,
            other => panic!("{other:?}"),
        },
    };
    Request {
        view: View {
            name: view.name,
            entities: view.entities,
            features: view.features.into_iter().map(|known| feature((known.name, known.dtype))).collect(),
            source: view.source,
            timestamp_field: view.timestamp_field,
            created_timestamp_column: view.created_timestamp_column,
            ttl_seconds: view.ttl_seconds,
        },
        rows: rows.to_string(),
    }
}

fn pushed(host: &Recorded, view: FeatureView, rows: &Value) -> asgard_sdk::Result<Outcome> {
    host.with(|feast| push(feast, request(view, rows)))
}

const FEATURES: [(&str, Dtype); 3] = [("i", Dtype::Int64), ("u", Dtype::UnixTimestamp), ("f", Dtype::Float32)];

#[test]
fn rows_that_are_not_older_are_written_once_each_with_whole_numbers_apart_from_nulls() {
    let host = filled();
    let outcome = pushed(
        &host,
        view(&FEATURES),
        &json!([
            {"k": "a", "t": "2026-01-01T03:00:00Z", "i": 1, "u": "2024-02-29T00:00:00Z", "f": 0.5},
            {"k": "b", "t": "2026-01-01T01:59:59.999Z", "i": 2, "u": null, "f": 0.5},
            {"k": "zz", "t": "2020-01-01T00:00:00Z", "i": null, "u": null, "f": 0.5},
            {"k": "a", "t": "2026-01-01T03:00:00.250Z", "i": 9_007_199_254_740_993_i64, "u": "2024-02-29T00:00:00Z", "f": "NaN"},
            {"k": "a", "t": "2026-01-01T03:00:00.100Z", "i": 3, "u": null, "f": 0.5},
        ]),
    )
    .unwrap();
    assert_eq!((outcome.written, outcome.older), (3, 2));
    let written = host.bodies("/write-to-online-store");
    assert_eq!(
        json!(written.iter().map(|body| &body["df"]).collect::<Vec<_>>()),
        json!([
            {"k": ["a"], "t": ["2026-01-01T03:00:00.250000Z"], "i": [9_007_199_254_740_993_i64], "u": [1_709_164_800], "f": [null]},
            {"k": ["zz"], "t": ["2020-01-01T00:00:00.000000Z"], "i": [null], "u": [null], "f": [0.5]},
        ])
    );
    assert_eq!(written[0]["feature_view_name"], "v");
}

#[test]
fn a_view_without_times_takes_the_last_row_and_feast_is_asked_for_none() {
    let host = filled();
    let mut timeless = view(&FEATURES[..1]);
    timeless.timestamp_field = None;
    timeless.created_timestamp_column = None;
    let outcome = pushed(&host, timeless, &json!([{"k": "a", "i": 1}, {"k": "a", "i": 2}])).unwrap();
    assert_eq!((outcome.written, outcome.older), (2, 0));
    assert!(host.bodies("/get-online-features").is_empty());
    let df = &host.bodies("/write-to-online-store")[0]["df"];
    assert_eq!(*df, json!({"k": ["a"], "asgard_valid_from": ["1970-01-01T00:00:00.000000Z"], "i": [2]}));
}

#[test]
fn a_later_snapshot_is_materialised_before_rows_are_pushed() {
    let host = filled();
    host.snapshot.set(8);
    let rows = ["a", "b", "zz"].map(|key| json!({"k": key, "t": "2026-02-01T00:00:00Z", "i": 1}));
    pushed(&host, view(&FEATURES[..1]), &json!(rows)).unwrap();
    let asked: Vec<String> = host.asked.borrow().iter().map(|(path, _)| path.clone()).collect();
    let place = |path: &str| asked.iter().position(|asked| asked == path);
    assert!(place("/materialize").unwrap() < place("/write-to-online-store").unwrap(), "{asked:?}");
}

#[test]
fn what_feasts_server_cannot_take_is_refused_and_nothing_is_written() {
    let host = filled();
    let good = json!({"k": "zz", "t": "2026-01-01T00:00:00Z", "i": 1, "s": "x", "b": null, "f": 0.5});
    let features = [("i", Dtype::Int64), ("s", Dtype::String), ("b", Dtype::Bytes), ("f", Dtype::Float32)];
    for (column, value, named) in [
        ("b", json!("0a"), "rows[1].b"),
        ("f", json!("Infinity"), "rows[1].f"),
        ("t", json!("1500-01-01T00:00:00Z"), "1700"),
    ] {
        let mut bad = good.clone();
        bad[column] = value;
        let refused = pushed(&host, view(&features), &json!([good, bad])).unwrap_err();
        let (Error::Unsupported(_) | Error::InvalidInput(_)) = refused else { panic!("{refused:?}") };
        assert!(refused.words().contains(named), "{}", refused.words());
    }
    let nothing = json!({"k": "zz", "t": "2026-01-01T00:00:00Z", "i": null, "s": null, "b": null, "f": "NaN"});
    let refused = pushed(&host, view(&features), &json!([good, nothing])).unwrap_err();
    assert!(matches!(&refused, Error::Unsupported(message) if message.starts_with("rows[1]")), "{refused:?}");
    assert!(host.bodies("/write-to-online-store").is_empty());
}
