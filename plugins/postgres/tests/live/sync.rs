//! Syncs: what they bring, when they repeat, and what ends them.

use std::io::Cursor;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_ipc::reader::StreamReader;
use asgard_plugin_postgres::sync::Run;
use asgard_sdk::Error;
use asgard_sdk::connector::{Checkpoint, Event, RowData, StreamSelection, SyncMode};

use crate::errors::words;
use crate::lake::Lake;
use crate::server::{Database, Server};

/// What came of a sync, by stream.
#[derive(Default)]
struct Outcome {
    batches: Vec<Vec<RecordBatch>>,
    checkpoints: Vec<Option<Checkpoint>>,
    errors: Vec<Option<Error>>,
}

impl Outcome {
    fn room(&mut self, stream: u32) -> usize {
        let index = stream as usize;
        if self.batches.len() <= index {
            self.batches.resize_with(index + 1, Vec::new);
            self.checkpoints.resize_with(index + 1, || None);
            self.errors.resize_with(index + 1, || None);
        }
        index
    }

    /// The integers of a stream's first column, sorted.
    fn ids(&self, stream: usize) -> Vec<i32> {
        let batches = self.batches.get(stream).into_iter().flatten();
        let mut ids: Vec<i32> =
            batches.flat_map(|batch| batch.column(0).as_primitive::<Int32Type>().values().to_vec()).collect();
        ids.sort_unstable();
        ids
    }

    fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Rows(rows) => {
                let RowData::ArrowIpc(data) = rows.data else { panic!("not Arrow") };
                let index = self.room(rows.stream);
                self.batches[index].extend(StreamReader::try_new(Cursor::new(data), None).unwrap().map(Result::unwrap));
            }
            Event::Checkpoint(checkpoint) => {
                let index = self.room(checkpoint.stream.unwrap());
                self.checkpoints[index] = Some(checkpoint);
            }
            Event::StreamFailed((stream, error)) => {
                let index = self.room(stream);
                self.errors[index] = Some(error);
            }
            Event::Progress(_) | Event::Waiting(_) | Event::Evolved(_) | Event::Divided(_) => {}
            Event::Moved(_) | Event::Truncated(_) => panic!("{event:?} where tables are read"),
            Event::Done => return false,
        }
        true
    }
}

fn finish(run: &mut Run) -> Outcome {
    let mut outcome = Outcome::default();
    while outcome.take(run.next_event().unwrap()) {}
    outcome
}

/// All rows of a sync without failures, by stream.
pub(crate) fn read(run: &mut Run) -> Vec<Vec<RecordBatch>> {
    let outcome = finish(run);
    assert!(outcome.errors.iter().all(Option::is_none), "{:?}", outcome.errors);
    outcome.batches
}

fn with_checkpoints(mut streams: Vec<StreamSelection>, outcome: &Outcome) -> Vec<StreamSelection> {
    for (stream, checkpoint) in streams.iter_mut().zip(&outcome.checkpoints) {
        stream.checkpoint = checkpoint.as_ref().map(|checkpoint| checkpoint.state.clone());
    }
    streams
}

fn two_tables<'a>(server: &'a Server, name: &str) -> Database<'a> {
    server.database(
        name,
        "CREATE TABLE first AS SELECT id FROM generate_series(1, 3) id; CREATE TABLE second AS SELECT id FROM generate_series(1, 5) id;",
    )
}

#[test]
fn all_streams_show_the_moment_of_the_first() {
    let server = Server::shared();
    let database = two_tables(&server, "moment");
    let mut run = database.open("task", database.selections(SyncMode::FullRefreshOverwrite));
    let mut outcome = Outcome::default();
    while outcome.checkpoints.is_empty() || outcome.checkpoints[0].is_none() {
        assert!(outcome.take(run.next_event().unwrap()));
    }
    database
        .execute("INSERT INTO first VALUES (100); DELETE FROM second WHERE id > 1; INSERT INTO second VALUES (200)");
    while outcome.take(run.next_event().unwrap()) {}
    assert_eq!((outcome.ids(0), outcome.ids(1)), (vec![1, 2, 3], vec![1, 2, 3, 4, 5]));
    assert!(outcome.checkpoints.iter().all(|checkpoint| checkpoint.as_ref().unwrap().complete));
}

#[test]
fn parts_of_a_sync_show_its_moment_too() {
    let server = Server::shared();
    let database = two_tables(&server, "parts");
    let streams = database.selections(SyncMode::FullRefreshOverwrite);
    let mut whole = database.open_divided("task", streams.clone(), 3);
    let Event::Divided(parts) = whole.next_event().unwrap() else { panic!("two streams are enough") };
    assert_eq!(parts.len(), 1, "{parts:?}");
    database
        .execute("INSERT INTO first VALUES (100); DELETE FROM second WHERE id > 1; INSERT INTO second VALUES (200)");
    let given = parts[0].streams[0] as usize;
    let mut part = database.open_part("task", vec![streams[given].clone()], parts[0].moment.clone()).unwrap();
    let (part, whole) = (finish(&mut part), finish(&mut whole));

    let ids = [vec![1, 2, 3], vec![1, 2, 3, 4, 5]];
    assert_eq!((part.ids(0), whole.ids(1 - given)), (ids[given].clone(), ids[1 - given].clone()));
    assert!(whole.ids(given).is_empty(), "the part has it");
    assert!(part.checkpoints[0].as_ref().unwrap().complete);
}

#[test]
fn a_moment_that_has_passed_is_told_as_what_may_be_tried_again() {
    let server = Server::shared();
    let database = two_tables(&server, "passed");
    let streams = database.selections(SyncMode::FullRefreshOverwrite);
    let mut whole = database.open_divided("task", streams.clone(), 1);
    let Event::Divided(parts) = whole.next_event().unwrap() else { panic!("two streams are enough") };
    drop(whole);
    let error = database.open_part("task", streams, parts[0].moment.clone()).err().unwrap();
    assert!(matches!(&error, Error::Unavailable(_)) && words(&error).contains("snapshot"), "{error:?}");
}

#[test]
fn a_reopened_sync_reads_no_stream_twice_and_the_next_one_reads_all() {
    let server = Server::shared();
    let database = two_tables(&server, "reopened");
    let streams = database.selections(SyncMode::FullRefreshOverwrite);
    let mut run = database.open("monday", streams.clone());
    let mut before = Outcome::default();
    while before.checkpoints.is_empty() || before.checkpoints[0].is_none() {
        assert!(before.take(run.next_event().unwrap()));
    }
    drop(run);

    let streams = with_checkpoints(streams, &before);
    let after = finish(&mut database.open("monday", streams.clone()));
    assert_eq!((after.ids(0), after.ids(1)), (vec![], vec![1, 2, 3, 4, 5]));

    let streams = with_checkpoints(streams, &after);
    let next_day = finish(&mut database.open("tuesday", streams));
    assert_eq!((next_day.ids(0), next_day.ids(1)), (vec![1, 2, 3], vec![1, 2, 3, 4, 5]));
}

#[test]
fn a_stream_that_fails_leaves_the_others_alone() {
    let server = Server::shared();
    let database = server.database(
        "failing",
        "CREATE TABLE a_gone (id int); CREATE TABLE b_retyped (id int); CREATE TABLE c_narrowed (id bigint);
         CREATE VIEW d_dividing AS SELECT 1 / (5000 - id) AS id FROM generate_series(1, 10000) id;
         CREATE TABLE e_empty (id int); CREATE TABLE f_good AS SELECT 7 AS id;",
    );
    let streams = database.selections(SyncMode::FullRefreshOverwrite);
    database.execute("DROP TABLE a_gone; ALTER TABLE b_retyped ALTER COLUMN id TYPE text; ALTER TABLE c_narrowed RENAME id TO number");
    let outcome = finish(&mut database.open("task", streams));

    let error = |stream: usize| outcome.errors[stream].as_ref().unwrap();
    assert!(matches!(error(0), Error::NotFound(_)), "{:?}", error(0));
    assert!(
        matches!(error(1), Error::Conflict(text) if text.contains("`id` is string (text) and was int") && text.contains("reset")),
        "{:?}",
        error(1)
    );
    assert!(matches!(error(2), Error::Conflict(text) if text.contains("`id` is gone")), "{:?}", error(2));
    assert!(words(error(3)).contains("division by zero"), "{:?}", error(3));
    assert!(outcome.errors[4].is_none() && outcome.checkpoints[4].is_some() && outcome.ids(4).is_empty());
    assert_eq!(outcome.ids(5), [7]);
    assert!((0..4).all(|stream| outcome.checkpoints[stream].is_none()));
}

#[test]
fn a_table_truncated_under_way_is_not_taken_for_an_empty_one() {
    let server = Server::shared();
    let database = two_tables(&server, "truncated");
    let streams = database.selections(SyncMode::FullRefreshOverwrite);
    let mut run = database.open("task", streams);
    let mut outcome = Outcome::default();
    while outcome.checkpoints.is_empty() {
        assert!(outcome.take(run.next_event().unwrap()));
    }
    database.execute("TRUNCATE second; INSERT INTO second VALUES (9)");
    let error = loop {
        match run.next_event() {
            Ok(event) => assert!(outcome.take(event)),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, Error::Unavailable(_)) && words(&error).contains("public.second"), "{error:?}");
    assert!(outcome.checkpoints.get(1).is_none_or(Option::is_none));
}

#[test]
fn an_incremental_sync_brings_what_changed_and_loses_no_tie() {
    let server = Server::shared();
    let database = server.database(
        "incremental",
        "CREATE TABLE readings (id int PRIMARY KEY, at timestamptz);
         INSERT INTO readings VALUES (1, '2026-01-01'), (2, '2026-01-02'), (3, 'infinity'), (4, NULL);",
    );
    let streams = database.selections(SyncMode::IncrementalMerge);
    assert_eq!(streams[0].cursor.as_deref(), Some("at"));
    let first = finish(&mut database.open("monday", streams.clone()));
    assert_eq!(first.ids(0), [1, 2, 3, 4]);

    database.execute("INSERT INTO readings VALUES (5, '2026-01-02'), (6, '2026-01-03'), (7, NULL), (8, '2025-01-01')");
    let streams = with_checkpoints(streams, &first);
    let second = finish(&mut database.open("tuesday", streams.clone()));
    assert_eq!(second.ids(0), [2, 3, 4, 5, 6, 7]);

    let third = finish(&mut database.open("wednesday", with_checkpoints(streams, &second)));
    assert_eq!(third.ids(0), [3, 4, 6, 7]);
}

#[test]
fn large_tables_come_in_batches_and_large_values_whole() {
    let server = Server::shared();
    let database = server.database(
        "large",
        "CREATE TABLE long AS SELECT id, 'row ' || id AS name FROM generate_series(1, 60000) id;
         CREATE TABLE wide AS SELECT id, repeat('0123456789', 1000000) AS text FROM generate_series(1, 3) id;",
    );
    let outcome = finish(&mut database.open("task", database.selections(SyncMode::FullRefreshOverwrite)));
    assert_eq!(outcome.ids(0), (1..=60_000).collect::<Vec<_>>());
    assert!(outcome.batches[0].iter().all(|batch| batch.num_rows() <= 17_000) && outcome.batches[0].len() > 3);
    assert_eq!(outcome.batches[1].len(), 3);
    for batch in &outcome.batches[1] {
        assert_eq!(batch.column(1).as_string::<i32>().value(0).len(), 10_000_000);
    }
}

#[test]
fn a_server_that_goes_away_is_unavailable_and_nothing_is_complete() {
    let mut server = Server::start();
    let database = server.database(
        "vanishing",
        "CREATE TABLE long AS SELECT id, repeat('x', 100) AS t FROM generate_series(1, 500000) id",
    );
    let mut run = database.open("task", database.selections(SyncMode::FullRefreshOverwrite));
    let mut outcome = Outcome::default();
    while outcome.batches.is_empty() {
        assert!(outcome.take(run.next_event().unwrap()));
    }
    server.kill();
    let error = loop {
        match run.next_event() {
            Ok(event) => assert!(outcome.take(event)),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(outcome.checkpoints[0].is_none());
}

#[test]
fn an_appended_stream_takes_each_row_once_ties_infinities_and_nulls_too() {
    let server = Server::shared();
    let database = server.database(
        "appended",
        "CREATE TABLE readings (id int, unit text, at timestamptz, PRIMARY KEY (id, unit));
         INSERT INTO readings VALUES (1, 'a', '2026-01-01'), (2, 'a', '2026-01-02'), (3, 'a', 'infinity'), (4, 'a', NULL);",
    );
    let mut lake = Lake::new(database.selections(SyncMode::IncrementalAppend));
    let mut sync = || {
        lake.sync(&database).unwrap();
        assert!(lake.tables[0].failure.is_none(), "{:?}", lake.tables[0].failure);
        let mut rows: Vec<_> = lake.rows(0).iter().map(|row| format!("{}{}", row["id"], row["unit"])).collect();
        rows.sort();
        rows.join(" ")
    };
    assert_eq!(sync(), "1a 2a 3a 4a");
    assert_eq!(sync(), "1a 2a 3a 4a");
    database.execute(
        "INSERT INTO readings VALUES (2, 'b', '2026-01-02'), (5, 'a', '2026-01-03'), (6, 'a', NULL), (7, 'a', 'infinity'), (8, 'a', '2025-01-01')",
    );
    assert_eq!(sync(), "1a 2a 2b 3a 4a 5a 6a 7a");
    database.execute(
        "INSERT INTO readings VALUES (9, 'a', '2026-01-03'); UPDATE readings SET at = '2026-01-04' WHERE id = 1",
    );
    assert_eq!(sync(), "1a 1a 2a 2b 3a 4a 5a 6a 7a 9a", "an updated row is appended again");
    assert_eq!(sync(), "1a 1a 2a 2b 3a 4a 5a 6a 7a 9a");
    database.execute("UPDATE readings SET at = '2026-01-05' WHERE id = 1");
    assert_eq!(sync(), "1a 1a 1a 2a 2b 3a 4a 5a 6a 7a 9a", "one that had the largest value too");

    database.execute("INSERT INTO readings SELECT id, 'c', '2026-02-01' FROM generate_series(1, 10001) id");
    lake.sync(&database).unwrap();
    let failure = lake.tables[0].failure.as_ref().unwrap();
    assert!(
        matches!(failure, Error::Conflict(text) if text.contains("`at`") && text.contains("incremental_merge")),
        "{failure:?}"
    );
    assert_eq!(lake.rows(0).len(), 11);
}

#[test]
fn columns_that_are_new_or_wider_evolve_a_stream_that_is_read() {
    let server = Server::shared();
    let database = server.database(
        "grown",
        "CREATE TABLE items (id int PRIMARY KEY, size int NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
         INSERT INTO items VALUES (1, 1);",
    );
    for mode in [SyncMode::FullRefreshOverwrite, SyncMode::FullRefreshAppend, SyncMode::IncrementalMerge] {
        database.execute("DROP TABLE items; CREATE TABLE items (id int PRIMARY KEY, size int NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp()); INSERT INTO items VALUES (1, 1)");
        let mut lake = Lake::new(database.selections(mode));
        lake.sync(&database).unwrap();
        database.execute(
            "ALTER TABLE items ALTER size TYPE bigint, ALTER size DROP NOT NULL; ALTER TABLE items ADD note text NOT NULL DEFAULT 'n';
             INSERT INTO items VALUES (2, 5000000000), (3, NULL)",
        );
        lake.sync(&database).unwrap();
        assert!(lake.tables[0].failure.is_none(), "{:?}", lake.tables[0].failure);
        let columns = &lake.tables[0].stream.columns;
        let shown: Vec<_> =
            columns.iter().map(|column| format!("{} {} {}", column.name, column.data_type, column.nullable)).collect();
        let nullable = mode != SyncMode::FullRefreshOverwrite;
        assert_eq!(
            shown,
            ["id int false", "size long true", "at timestamptz true", &format!("note string {nullable}")]
        );
        let rows = lake.rows(0);
        assert!(
            rows.iter().any(|row| row["id"] == "2" && row["size"] == "5000000000" && row["note"] == "n"),
            "{mode:?}: {rows:?}"
        );
    }
}
