//! Global states, those of the oldest form, deletions, and configurations that a connector changes.

use asgard_sdk::connector::{StreamSelection, SyncMode};
use serde_json::{Value, json};

use crate::describing::streams;
use crate::recorded::{Recorded, all, connector, open, selection};

fn catalog() -> String {
    let stream = |name: &str| {
        json!({"name": name, "namespace": "public", "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": true, "source_defined_primary_key": [["id"]],
            "json_schema": {"properties": {"id": {"type": "integer"},
                "_ab_cdc_deleted_at": {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"}}}})
    };
    json!({"type": "CATALOG", "catalog": {"streams": [stream("a"), stream("b")]}}).to_string()
}

fn both(mode: SyncMode) -> Vec<StreamSelection> {
    streams(&catalog()).iter().map(|stream| selection(stream, mode, None)).collect()
}

fn record(stream: &str, data: Value) -> String {
    json!({"type": "RECORD", "record": {"stream": stream, "namespace": "public", "data": data, "emitted_at": 1}})
        .to_string()
}

fn global(at: u64) -> String {
    let states = json!([{"stream_descriptor": {"name": "a", "namespace": "public"}, "stream_state": {}}]);
    json!({"type": "STATE", "state": {"type": "GLOBAL", "global": {"shared_state": {"lsn": at}, "stream_states": states}}}).to_string()
}

#[test]
fn a_global_state_is_kept_for_every_stream_and_the_oldest_counts() {
    let lines = [record("a", json!({"id": 1})), record("b", json!({"id": 2})), global(7)].join("\n");
    let host = Recorded::new(&[("discover", &catalog()), ("read", &lines)]);
    let (read, ended) = all(open(&host, connector(json!({})), both(SyncMode::IncrementalMerge), "t1").unwrap());
    ended.unwrap();
    assert_eq!(read.checkpoints.len(), 2);

    let newer = [record("a", json!({"id": 3})), global(9)].join("\n");
    let next = |task: &str, a: &[u8], b: &[u8]| {
        let host = Recorded::new(&[("discover", &catalog()), ("read", &newer)]);
        let mut selected = both(SyncMode::IncrementalMerge);
        selected[0].checkpoint = Some(a.to_vec());
        selected[1].checkpoint = Some(b.to_vec());
        let (read, ended) = all(open(&host, connector(json!({})), selected, task).unwrap());
        ended.unwrap();
        let lsn = host.file("read", "state.json").unwrap()[0]["global"]["shared_state"]["lsn"].clone();
        (read, lsn, host.said("RecordsRepeated"))
    };
    let (a, b) = (&read.checkpoints[0].state, &read.checkpoints[1].state);
    let (second, lsn, repeated) = next("t2", a, b);
    assert_eq!((lsn, repeated), (json!(7), false));
    // The host died between the commits of two tables.
    let ahead = &second.checkpoints[0].state;
    let (_, lsn, repeated) = next("t2", ahead, b);
    assert_eq!((lsn, repeated), (json!(7), false), "the same sync has that table's end already");
    let (_, lsn, repeated) = next("t3", ahead, b);
    assert_eq!((lsn, repeated), (json!(7), true));
}

#[test]
fn a_state_of_the_oldest_form_goes_back_as_it_came() {
    let lines = [
        record("a", json!({"id": 1})),
        json!({"type": "STATE", "state": {"data": {"a": {"cursor": "x"}}}}).to_string(),
    ];
    let host = Recorded::new(&[("discover", &catalog()), ("read", &lines.join("\n"))]);
    let (read, _) = all(open(&host, connector(json!({})), both(SyncMode::IncrementalAppend), "t1").unwrap());
    let mut selected = both(SyncMode::IncrementalAppend);
    for (selection, checkpoint) in selected.iter_mut().zip(&read.checkpoints) {
        selection.checkpoint = Some(checkpoint.state.clone());
    }
    all(open(&host, connector(json!({})), selected, "t2").unwrap()).1.unwrap();
    assert_eq!(host.file("read", "state.json").unwrap(), json!({"a": {"cursor": "x"}}));
}

#[test]
fn rows_that_a_database_deleted_are_deletions_where_they_are_merged() {
    let gone = json!({"id": 1, "_ab_cdc_deleted_at": "2024-01-01T00:00:00Z"});
    let lines = [record("a", json!({"id": 1})), record("a", gone)].join("\n");
    let host = Recorded::new(&[("discover", &catalog()), ("read", &lines)]);
    let (read, _) = all(open(&host, connector(json!({})), both(SyncMode::IncrementalMerge), "t1").unwrap());
    assert_eq!((read.rows.len(), read.changes), (2, 2));
    let (read, _) = all(open(&host, connector(json!({})), both(SyncMode::IncrementalAppend), "t1").unwrap());
    assert_eq!((read.rows.len(), read.changes), (2, 0));
}

#[test]
fn a_configuration_that_a_connector_changes_is_told_without_its_values() {
    let changed = json!({"type": "CONTROL", "control": {"type": "CONNECTOR_CONFIG", "emitted_at": 1.5,
        "connectorConfig": {"config": {"count": 20, "token": "t0p-secret", "refresh_token": "an0ther"}}}});
    let lines = [changed.to_string(), record("a", json!({"id": 1}))].join("\n");
    let host = Recorded::new(&[("discover", &catalog()), ("read", &lines)]);
    all(open(&host, connector(json!({})), both(SyncMode::FullRefreshOverwrite), "t1").unwrap()).1.unwrap();
    assert!(host.said("ConfigurationChanged") && host.said("(refresh_token)"));
    assert!(!host.said("t0p-secret") && !host.said("an0ther"));
}

#[test]
fn a_message_that_cannot_be_read_ends_the_sync_and_what_a_library_printed_does_not() {
    let lines = ["{'a': 1}", "plain words", &record("a", json!({"id": 1}))].join("\n");
    let host = Recorded::new(&[("discover", &catalog()), ("read", &lines)]);
    let (read, ended) = all(open(&host, connector(json!({})), both(SyncMode::FullRefreshOverwrite), "t1").unwrap());
    ended.unwrap();
    assert_eq!(read.rows.len(), 1);
    host.0.plays.borrow_mut().get_mut("read").unwrap().output =
        r#"{"type":"RECORD","record":{"stream":"a","data":{"id":NaN}}}"#.to_owned();
    let (_, ended) = all(open(&host, connector(json!({})), both(SyncMode::FullRefreshOverwrite), "t2").unwrap());
    assert!(ended.is_err());
}
