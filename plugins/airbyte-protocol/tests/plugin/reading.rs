//! Records on their way into rows, and what is committed when.

use asgard_sdk::Error;
use asgard_sdk::connector::SyncMode;
use asgard_sdk::processes::ProcessStatus;
use serde_json::{Value, json};

use crate::describing::{DISCOVER, streams};
use crate::recorded::{Recorded, all, connector, open, selection};

const READ: &str = include_str!("answers/faker-read.jsonl");

fn faker() -> Recorded {
    Recorded::new(&[("discover", DISCOVER), ("read", READ)])
}

fn users(mode: SyncMode) -> asgard_sdk::connector::StreamSelection {
    selection(&streams(DISCOVER)[1], mode, None)
}

#[test]
fn a_full_refresh_is_one_commit_at_its_end() {
    for piece in [0, 1000, 7] {
        let host = faker();
        host.0.piece.set(piece);
        // However long it takes.
        host.0.now_ms.set(1);
        let (read, ended) =
            all(open(&host, connector(json!({})), vec![users(SyncMode::FullRefreshOverwrite)], "t1").unwrap());
        ended.unwrap();
        assert_eq!(read.rows.len(), 20);
        assert_eq!(read.rows[0]["address"]["city"], "Bowling Green");
        assert_eq!(read.rows[0]["created_at"], "2001-02-03T11:53:10+00:00");
        assert_eq!((read.checkpoints.len(), read.checkpoints[0].complete, read.before[0]), (1, true, 20));
        let catalog = host.file("read", "catalog.json").unwrap();
        assert_eq!(catalog["streams"].as_array().unwrap().len(), 1);
        assert_eq!(catalog["streams"][0]["sync_mode"], "full_refresh");
        assert_eq!(catalog["streams"][0]["destination_sync_mode"], "overwrite");
        assert_eq!(catalog["streams"][0]["stream"]["json_schema"]["properties"]["id"]["type"], "integer");
        assert!(host.file("read", "state.json").is_none());
    }
}

#[test]
fn a_stream_that_is_at_its_end_is_not_read_again_by_its_task_and_a_full_refresh_begins_anew_in_the_next() {
    let host = faker();
    let (read, _) = all(open(&host, connector(json!({})), vec![users(SyncMode::FullRefreshAppend)], "t1").unwrap());
    let kept = read.checkpoints[0].state.clone();
    let again = |task: &str| {
        let mut selection = users(SyncMode::FullRefreshAppend);
        selection.checkpoint = Some(kept.clone());
        let host = faker();
        let (read, ended) = all(open(&host, connector(json!({})), vec![selection], task).unwrap());
        ended.unwrap();
        (read.rows.len(), host.file("read", "state.json"))
    };
    assert_eq!(again("t1"), (0, None));
    assert_eq!(again("t2"), (20, None));
}

#[test]
fn an_incremental_stream_goes_on_from_its_last_state() {
    let host = faker();
    let (read, ended) = all(open(&host, connector(json!({})), vec![users(SyncMode::IncrementalMerge)], "t1").unwrap());
    ended.unwrap();
    assert_eq!(host.file("read", "catalog.json").unwrap()["streams"][0]["destination_sync_mode"], "append_dedup");
    let mut selection = users(SyncMode::IncrementalMerge);
    selection.checkpoint = read.checkpoints.last().map(|last| last.state.clone());
    let host = faker();
    all(open(&host, connector(json!({})), vec![selection], "t2").unwrap()).1.unwrap();
    let state = host.file("read", "state.json").unwrap();
    assert_eq!(state[0]["type"], "STREAM");
    assert_eq!(state[0]["stream"]["stream_state"]["loop_offset"], 20);
}

/// Records enough that states are committed between them.
fn many(records: usize) -> String {
    let record = |id: usize| {
        json!({"type": "RECORD", "record": {"stream": "users", "data": {"id": id}, "emitted_at": 1}}).to_string()
    };
    let state = |id: usize| {
        json!({"type": "STATE", "state": {"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"at": id}}}}).to_string()
    };
    let mut lines = Vec::new();
    for id in 1..=records {
        lines.push(record(id));
        if id % 1000 == 0 {
            lines.push(state(id));
        }
    }
    lines.join("\n")
}

#[test]
fn states_are_committed_between_only_where_a_repeated_record_changes_nothing() {
    for (mode, states, expected) in [
        (SyncMode::IncrementalMerge, "final", vec![250_500]),
        (SyncMode::IncrementalMerge, "repeatable", vec![100_000, 200_000, 250_500]),
        (SyncMode::IncrementalAppend, "repeatable", vec![250_500]),
        (SyncMode::IncrementalAppend, "exact", vec![100_000, 200_000, 250_500]),
        (SyncMode::FullRefreshOverwrite, "exact", vec![250_500]),
    ] {
        let host = Recorded::new(&[("discover", DISCOVER), ("read", &many(250_500))]);
        let (read, ended) = all(open(&host, connector(json!({"states": states})), vec![users(mode)], "t1").unwrap());
        ended.unwrap();
        assert_eq!(read.before, expected, "{mode:?}");
        let first: Value = serde_json::from_slice(&read.checkpoints[0].state).unwrap();
        assert_eq!(first["complete"], expected.len() == 1);
    }
}

#[test]
fn output_that_was_lost_ends_the_sync_before_anything_is_committed() {
    let host = faker();
    let mut run = open(&host, connector(json!({})), vec![users(SyncMode::IncrementalMerge)], "t1").unwrap();
    // The streams are read before.
    while !host.said("Starting syncing") {
        host.0.piece.set(400);
        run.next_event().unwrap();
    }
    host.0.lost.set(5000);
    let (read, ended) = all(run);
    assert!(matches!(ended, Err(Error::Unavailable(lost)) if lost.message.contains("were lost")));
    assert!(read.checkpoints.is_empty());
}

#[test]
fn what_one_stream_says_went_wrong_fails_that_stream() {
    let discover = include_str!("answers/declarative-discover.jsonl");
    let host = Recorded::new(&[("discover", discover)]);
    host.plays("read", include_str!("answers/declarative-read-failed.jsonl"), ProcessStatus::Exited(1));
    let items = selection(&streams(discover)[0], SyncMode::IncrementalMerge, None);
    let (read, ended) = all(open(&host, connector(json!({})), vec![items.clone()], "t1").unwrap());
    ended.unwrap();
    assert!(read.checkpoints.iter().all(|checkpoint| !checkpoint.complete));
    let [(0, Error::InvalidInput(wrong))] = &read.failures[..] else { panic!("{:?}", read.failures) };
    assert!(wrong.message.contains("HTTP Status Code: 401"), "{}", wrong.message);

    host.plays("read", include_str!("answers/declarative-read.jsonl"), ProcessStatus::Exited(0));
    let (read, ended) = all(open(&host, connector(json!({})), vec![items], "t2").unwrap());
    ended.unwrap();
    assert_eq!((read.rows.len(), read.checkpoints.last().unwrap().complete), (5, true));
}

#[test]
fn a_read_that_dies_keeps_the_streams_that_came_to_their_end_and_is_told() {
    let host = Recorded::new(&[("discover", DISCOVER)]);
    host.plays("read", READ, ProcessStatus::Exited(3));
    let products = selection(&streams(DISCOVER)[0], SyncMode::FullRefreshOverwrite, None);
    let both = vec![users(SyncMode::FullRefreshOverwrite), products];
    let (read, ended) = all(open(&host, connector(json!({})), both, "t1").unwrap());
    assert!(matches!(ended, Err(Error::Internal(message)) if message.contains("exit code 3")));
    assert_eq!(read.checkpoints.len(), 1);
    assert_eq!((read.checkpoints[0].stream, read.checkpoints[0].complete), (Some(0), true));
}

#[test]
fn a_value_that_does_not_fit_fails_its_stream_or_becomes_null() {
    let lines = r#"{"type":"RECORD","record":{"stream":"users","data":{"id":1,"age":"old","new":1},"emitted_at":1}}"#;
    let host = Recorded::new(&[("discover", DISCOVER), ("read", lines)]);
    let (read, ended) =
        all(open(&host, connector(json!({})), vec![users(SyncMode::FullRefreshOverwrite)], "t1").unwrap());
    ended.unwrap();
    assert!(read.checkpoints.is_empty() && read.rows.is_empty());
    let [(0, Error::InvalidInput(wrong))] = &read.failures[..] else { panic!("{:?}", read.failures) };
    assert!(wrong.message.contains("`age` of record 1") && wrong.message.contains("is no long"), "{}", wrong.message);

    let lenient = connector(json!({"mismatch": "null"}));
    let (read, _) = all(open(&host, lenient, vec![users(SyncMode::FullRefreshOverwrite)], "t2").unwrap());
    assert_eq!(read.rows, [json!({"id": 1})]);
    assert!(host.said("ValueLeftOut") && host.said("FieldLeftOut") && host.said("1 values did not fit"));
}

#[test]
fn columns_that_are_new_at_the_source_are_added_and_types_stay() {
    let host = faker();
    let mut before = users(SyncMode::FullRefreshOverwrite);
    before.columns.retain(|column| column.name != "age");
    before.columns.iter_mut().find(|column| column.name == "weight").unwrap().data_type = "string".to_owned();
    let (read, ended) = all(open(&host, connector(json!({})), vec![before], "t1").unwrap());
    ended.unwrap();
    assert!(read.evolved[0].contains(&"age".to_owned()));
    assert_eq!((&read.rows[0]["age"], &read.rows[0]["weight"]), (&json!(53), &json!("52")));
    assert!(host.said("column `weight` is long now and stays string"));
}

#[test]
fn a_stream_that_is_gone_fails_and_the_others_are_read() {
    let host = faker();
    let mut gone = users(SyncMode::FullRefreshOverwrite);
    gone.name = "visitors".to_owned();
    let (read, ended) =
        all(open(&host, connector(json!({})), vec![gone, users(SyncMode::FullRefreshOverwrite)], "t1").unwrap());
    ended.unwrap();
    assert!(matches!(&read.failures[..], [(0, Error::NotFound(_))]));
    assert_eq!(read.checkpoints[0].stream, Some(1));
}

#[test]
fn an_opening_ends_the_process_of_the_one_before() {
    let host = faker();
    let _run = open(&host, connector(json!({})), vec![users(SyncMode::FullRefreshOverwrite)], "t1").unwrap();
    assert_eq!(*host.0.removed.borrow(), ["discover", "read"]);
}
