use asgard_plugin_feast::registration::{register_view, remove_view};
use asgard_sdk::Error;
use asgard_sdk::feature_source::Dtype;

use crate::recorded::{Recorded, answer, view};

fn registry() -> Vec<(&'static str, (u16, String))> {
    vec![
        ("GET /api/v1/entities/k", answer!(404, "missing.json")),
        ("POST /api/v1/entities", answer!(201, "applied.json")),
        ("POST /api/v1/data_sources", answer!(201, "applied.json")),
        ("POST /api/v1/feature_views", answer!(201, "applied.json")),
    ]
}

#[test]
fn a_view_is_registered_with_its_entities_and_the_file_of_its_snapshots() {
    let host = Recorded::new(&registry());
    let mut made = view(&[("i", Dtype::Int64), ("u", Dtype::UnixTimestamp)]);
    made.ttl_seconds = 60;
    host.with(|feast| register_view(feast, &made)).unwrap();
    assert_eq!(host.bodies("/api/v1/entities")[0]["value_type"], 2);
    let source = &host.bodies("/api/v1/data_sources")[0];
    assert_eq!(source["file_options"]["uri"], "/data/objects/feast/views/v.parquet");
    assert_eq!((&source["type"], &source["timestamp_field"]), (&1.into(), &"t".into()));
    let registered = &host.bodies("/api/v1/feature_views")[0];
    assert_eq!((&registered["batch_source"], &registered["ttl_seconds"]), (&source["name"], &60.into()));
    assert_eq!(registered["features"][1]["value_type"], 8);
}

#[test]
fn what_does_not_fit_is_refused_with_its_field_before_anything_is_registered() {
    let mut answers = registry();
    answers[0] = ("GET /api/v1/entities/k", answer!(200, "entity.json"));
    let host = Recorded::new(&answers);
    let refused = |features: &[(&str, Dtype)], field: &str, named: &str| match host
        .with(|feast| register_view(feast, &view(features)))
    {
        Err(Error::InvalidInput(input)) => {
            assert_eq!(input.field.as_deref(), Some(field));
            assert!(input.message.contains(named), "{}", input.message);
        }
        other => panic!("expected invalid input, found {other:?}"),
    };
    refused(&[("none", Dtype::Int64)], "features[0].name", "none");
    refused(&[("i", Dtype::Int64), ("t", Dtype::UnixTimestamp)], "features[1].name", "event time");
    // The project's entity `k` is a number.
    refused(&[("i", Dtype::Int64)], "entities[0]", "INT64");
    assert!(host.asked.borrow().is_empty());
}

#[test]
fn a_view_is_removed_twice() {
    let host = Recorded::new(&[
        ("DELETE /api/v1/feature_views/v", (200, r#"{"status":"deleted"}"#.to_owned())),
        ("DELETE /api/v1/feature_views/v", answer!(404, "missing.json")),
        ("DELETE /api/v1/data_sources/v_snapshot", answer!(404, "missing.json")),
    ]);
    for _ in 0..2 {
        host.with(|feast| remove_view(feast, &view(&[("i", Dtype::Int64)]))).unwrap();
    }
}
