use asgard_plugin_spark::run::Runs;
use asgard_sdk::Error;
use serde_json::json;

use crate::recorded::{Recorded, configuration, field_of, request};

fn refused(more: serde_json::Value) -> (String, String) {
    let (host, configuration) = (Recorded::default(), configuration(more));
    let planned = Runs::new(&host, &configuration).plan(&request());
    let started = Runs::new(&host, &configuration).start(request());
    let (field, message) = field_of(started);
    assert_eq!(field_of(planned).0, field, "a run is refused where it is asked for");
    (field, message)
}

#[test]
fn what_a_way_lacks_is_refused_by_its_field() {
    for (more, field) in [
        (json!({"mode": "connect"}), "url"),
        (json!({"mode": "connect", "url": "http://spark:15002"}), "url"),
        (json!({"mode": "connect", "url": "sc://spark", "catalog_uri": ""}), "catalog_uri"),
        (json!({"mode": "connect", "url": "sc://spark", "secret_access_key": ""}), "secret_access_key"),
        (json!({"mode": "connect", "url": "sc://spark", "catalog_token": "in the clear"}), "catalog_token"),
        (json!({"mode": "standalone"}), "url"),
        (json!({"mode": "standalone", "url": "spark://spark:7077", "master_ui": "http://spark:8080"}), "url"),
        (json!({"mode": "standalone", "url": "http://spark:6066"}), "master_ui"),
        (json!({"mode": "standalone", "url": "http://spark:6066", "master_ui": "http://spark:8080"}), "master"),
        (
            json!({"mode": "standalone", "url": "http://spark:6066", "master_ui": "http://spark:8080", "master": "spark://spark:7077"}),
            "job_program",
        ),
        (json!({"mode": "operator"}), "namespace"),
        (json!({"mode": "operator", "namespace": "spark"}), "image"),
    ] {
        let (found, message) = refused(more.clone());
        assert_eq!(found, format!("configuration.{field}"), "{more}: {message}");
    }
}

#[test]
fn a_statement_is_planned_by_spark_when_it_runs() {
    let (host, configuration) =
        (Recorded::default(), configuration(json!({"mode": "connect", "url": "sc://spark:15002"})));
    let planned = Runs::new(&host, &configuration).plan(&request());
    assert!(matches!(planned, Err(Error::Unsupported(_))), "{planned:?}");
}

#[test]
fn a_state_of_somebody_elses_is_refused() {
    let (host, configuration) =
        (Recorded::default(), configuration(json!({"mode": "connect", "url": "sc://spark:15002"})));
    for state in [&b""[..], b"{}", b"\xff\x00", br#"{"connect": {}}"#] {
        assert!(Runs::new(&host, &configuration).advance(state).is_err());
        assert!(Runs::new(&host, &configuration).cancel(state).is_err());
    }
}
