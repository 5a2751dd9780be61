use asgard_plugin_feast::known::{File, Filled, Known};
use asgard_plugin_feast::online::read;
use asgard_sdk::feature_source::{Dtype, FeatureView, OnlineRequest, Selection};
use serde_json::{Value, json};

use crate::recorded::{Recorded, answer, view};

const FEATURES: [(&str, Dtype); 9] = [
    ("i", Dtype::Int64),
    ("f", Dtype::Float32),
    ("s", Dtype::String),
    ("b", Dtype::Bytes),
    ("o", Dtype::Bool),
    ("u", Dtype::UnixTimestamp),
    ("ai", Dtype::ArrayInt64),
    ("as", Dtype::ArrayString),
    ("i3", Dtype::Int32),
];

/// A view whose online store was just filled; `number`: its key is one.
fn filled(number: bool) -> Recorded {
    let host = Recorded::new(&[("POST /get-online-features", answer!(200, "online.json"))]);
    let mut types: std::collections::BTreeMap<String, String> =
        host.columns.iter().map(|column| (column.name.clone(), column.data_type.clone())).collect();
    if number {
        types.insert("k".to_owned(), "long".to_owned());
    }
    let known = Known {
        file: Some(File { snapshot: Some(7), sql: String::new() }),
        applied: true,
        online: Some(Filled { snapshot: Some(7), checked_ms: host.now_ms.get() }),
        types,
    };
    known.keep(&host, "v").unwrap();
    host
}

fn answered(host: &Recorded, view: FeatureView, entities: Value) -> Value {
    let features = view.features.iter().map(|feature| feature.name.clone()).collect();
    let request = OnlineRequest {
        selections: vec![Selection { view, features }],
        full_names: false,
        entities: entities.to_string(),
    };
    serde_json::from_str(&host.with(|feast| read(feast, &request)).unwrap()).unwrap()
}

#[test]
fn features_come_in_the_order_of_the_rows_whatever_feasts_is_with_nulls_for_what_is_not_there() {
    let host = filled(false);
    let found = answered(&host, view(&FEATURES), json!([{"k": "a"}, {"k": "b"}, {"k": "zz"}]));
    let nothing =
        json!({"i": null, "f": null, "s": null, "b": null, "o": null, "u": null, "ai": null, "as": null, "i3": null});
    let row = |key: &str, values: &Value| {
        let mut row = values.clone();
        row["k"] = json!(key);
        row
    };
    let values = json!({"i": 3, "f": "Infinity", "s": "z", "b": "7a", "o": false, "u": "2026-01-01", "ai": [],
        "as": ["r", "s"], "i3": 3});
    assert_eq!(found, json!([row("a", &nothing), row("b", &values), row("zz", &nothing)]));
}

#[test]
fn a_row_past_its_time_to_live_is_null() {
    let host = filled(false);
    let mut brief = view(&FEATURES[..1]);
    brief.ttl_seconds = 3600;
    // An hour after the row of `b`, to the second.
    let end = 1_767_232_800_000 + 3_600_000;
    let entities = json!([{"k": "a"}, {"k": "b"}, {"k": "zz"}]);
    for (now_ms, expected) in [(end - 1000, json!(3)), (end + 1000, Value::Null)] {
        host.now_ms.set(now_ms);
        assert_eq!(answered(&host, brief.clone(), entities.clone())[1]["i"], expected);
    }
}

#[test]
fn a_text_is_no_number_and_feast_is_not_asked_for_it() {
    let host = filled(true);
    let found = answered(&host, view(&FEATURES[..1]), json!([{"k": "one"}]));
    assert_eq!(found, json!([{"k": "one", "i": null}]));
    assert!(host.asked.borrow().is_empty());
    answered(&host, view(&FEATURES[..1]), json!([{"k": "1"}, {"k": 2.0}, {"k": 3}]));
    assert_eq!(host.bodies("/get-online-features")[0]["entities"], json!({"k": [1, 2, 3]}));
}
