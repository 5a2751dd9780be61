//! Syncs through the public surface: stage, commit, crash, open again.

use asgard_contract::connector::{Change, RowData, Rows, SyncMode};
use asgard_contract::{Column, Error};
use serde_json::{Value, json};

use super::*;
use crate::storage::StorageLocation;
use crate::testing::{Dice, Folder, columns, content, ipc, name, table};

mod changes;
mod laid_out;

fn column(name: &str, data_type: &str) -> Column {
    Column { name: name.to_owned(), data_type: data_type.to_owned(), nullable: name != "id", doc: None }
}

fn target(folder: &Folder, mode: SyncMode, sync: &str) -> StreamTarget {
    StreamTarget {
        table: name("bronze.orders"),
        location: Storage::open(StorageLocation::Local { folder: folder.path().join("sink") }).unwrap(),
        columns: vec![column("id", "long"), column("v", "string")],
        mode,
        primary_key: vec!["id".to_owned()],
        sync_id: sync.to_owned(),
        ingestion_id: "ingestion/0".to_owned(),
    }
}

fn rows(rows: Value) -> Rows {
    Rows::inserts(0, RowData::ArrowIpc(ipc(rows)))
}

fn lines(lines: &str, changes: &[Change]) -> Rows {
    Rows { changes: changes.to_vec(), ..Rows::inserts(0, RowData::JsonLines(lines.as_bytes().to_vec())) }
}

async fn stored(tables: &Tables) -> Checkpoint {
    checkpoint(tables, &name("bronze.orders"), "ingestion/0").await.unwrap().unwrap()
}

/// As a killed process leaves a writer: nothing is cleaned up.
fn crash(writer: StreamWriter) {
    std::mem::forget(writer);
}

const OVERWRITE: SyncMode = SyncMode::FullRefreshOverwrite;
const APPEND: SyncMode = SyncMode::IncrementalAppend;
const MERGE: SyncMode = SyncMode::ChangeDataCapture;

#[tokio::test]
async fn an_overwrite_is_seen_at_its_end_and_not_before() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut first = StreamWriter::open(tables.clone(), target(&folder, OVERWRITE, "s1")).await.unwrap();
    first.stage(rows(json!([{"id": 1, "v": "a"}]))).await.unwrap();
    first.commit(b"end".to_vec(), true).await.unwrap();

    let mut changed = target(&folder, OVERWRITE, "s2");
    changed.columns = vec![column("id", "long"), column("w", "double")];
    let mut second = StreamWriter::open(tables.clone(), changed).await.unwrap();
    let staged = second.stage(rows(json!([{"id": 2, "w": 0.5}]))).await.unwrap();
    assert_eq!(staged.records, 1);
    assert!(staged.bytes > 0);
    second.commit(b"half".to_vec(), false).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await, json!([{"id": 1, "v": "a"}]));
    second.stage(rows(json!([{"id": 3, "w": 1.5}]))).await.unwrap();
    second.commit(b"end".to_vec(), true).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await, json!([{"id": 2, "w": 0.5}, {"id": 3, "w": 1.5}]));
    assert_eq!(columns(&tables, "bronze.orders").await[1], ("w".to_owned(), "double".to_owned()));
    let location = table(&tables, "bronze.orders").await.location;
    assert_eq!(location, format!("file://{}/sink/bronze/orders", folder.path().display()));
    assert!(!folder.files("sink/bronze/orders/metadata").iter().any(|name| name.starts_with("staged")));
}

#[tokio::test]
async fn a_crash_between_staging_and_commit_loses_and_doubles_nothing() {
    for mode in [OVERWRITE, SyncMode::FullRefreshAppend, APPEND, MERGE] {
        let folder = Folder::new();
        let tables = folder.open().await;
        let mut writer = StreamWriter::open(tables.clone(), target(&folder, mode, "s1")).await.unwrap();
        writer.stage(rows(json!([{"id": 1, "v": "a"}]))).await.unwrap();
        writer.stage(rows(json!([{"id": 2, "v": "b"}]))).await.unwrap();
        writer.commit(b"2".to_vec(), false).await.unwrap();
        writer.stage(rows(json!([{"id": 3, "v": "lost"}]))).await.unwrap();
        crash(writer);
        drop(tables);

        let tables = folder.open().await;
        let found = stored(&tables).await;
        assert_eq!((found.state.as_slice(), found.records, found.complete), (&b"2"[..], 2, false), "{mode:?}");
        let mut writer = StreamWriter::open(tables.clone(), target(&folder, mode, "s1")).await.unwrap();
        assert_eq!(folder.files("sink/bronze/orders/data").len(), 1, "{mode:?}: the lost rows' file is gone");
        writer.stage(rows(json!([{"id": 3, "v": "c"}]))).await.unwrap();
        writer.commit(b"3".to_vec(), true).await.unwrap();
        let all = json!([{"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"id": 3, "v": "c"}]);
        assert_eq!(content(&tables, "bronze.orders").await, all, "{mode:?}");
        let found = stored(&tables).await;
        assert_eq!((found.state.as_slice(), found.records, found.complete), (&b"3"[..], 3, true), "{mode:?}");
    }
}

#[tokio::test]
async fn rows_and_checkpoint_are_in_one_commit() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut writer = StreamWriter::open(tables.clone(), target(&folder, APPEND, "s1")).await.unwrap();
    let before = table(&tables, "bronze.orders").await.state;
    writer.stage(rows(json!([{"id": 1, "v": "a"}]))).await.unwrap();
    writer.commit(b"1".to_vec(), false).await.unwrap();
    let after = table(&tables, "bronze.orders").await.state;
    let logged: Vec<&str> = after.metadata.metadata_log().iter().map(|entry| entry.metadata_file.as_str()).collect();
    assert_eq!(logged.last(), Some(&before.location.as_str()), "one piece of metadata follows the other");
    assert_eq!((before.metadata.snapshots().count(), after.metadata.snapshots().count()), (0, 1));
    assert_eq!(checkpoint::read(&after.metadata, "ingestion/0").unwrap().unwrap().state, b"1");
    assert!(checkpoint::read(&after.metadata, "ingestion/1").unwrap().is_none(), "another generation starts over");
}

#[tokio::test]
async fn changes_are_merged_by_primary_key_and_the_last_word_counts() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut writer = StreamWriter::open(tables.clone(), target(&folder, MERGE, "s1")).await.unwrap();
    writer.stage(rows(json!([{"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"id": 3, "v": "c"}]))).await.unwrap();
    writer.commit(b"snapshot".to_vec(), true).await.unwrap();

    let mut writer = StreamWriter::open(tables.clone(), target(&folder, MERGE, "s2")).await.unwrap();
    use Change::{Delete, Insert, Update};
    writer
        .stage(lines(
            "{\"id\":1,\"v\":\"A\"}\n{\"id\":2}\n{\"id\":4,\"v\":\"d\"}\n{\"id\":4,\"v\":\"D\"}\n",
            &[Update, Delete, Insert, Update],
        ))
        .await
        .unwrap();
    writer
        .stage(lines(
            "{\"id\":5,\"v\":\"e\"}\n{\"id\":5}\n{\"id\":3}\n{\"id\":3,\"v\":\"again\"}\n",
            &[Insert, Delete, Delete, Insert],
        ))
        .await
        .unwrap();
    writer.commit(b"log".to_vec(), false).await.unwrap();
    let merged = json!([{"id": 1, "v": "A"}, {"id": 3, "v": "again"}, {"id": 4, "v": "D"}]);
    assert_eq!(content(&tables, "bronze.orders").await, merged);
    writer.stage(lines("{\"id\":1}\n", &[Delete])).await.unwrap();
    writer.commit(b"log 2".to_vec(), true).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await, json!([{"id": 3, "v": "again"}, {"id": 4, "v": "D"}]));
    assert_eq!(stored(&tables).await.records, 9);
}

#[tokio::test]
async fn a_writer_that_was_taken_over_from_cannot_commit() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut paused = StreamWriter::open(tables.clone(), target(&folder, APPEND, "s1")).await.unwrap();
    paused.stage(rows(json!([{"id": 1, "v": "a"}]))).await.unwrap();
    let mut taken = StreamWriter::open(tables.clone(), target(&folder, APPEND, "s1")).await.unwrap();
    taken.stage(rows(json!([{"id": 1, "v": "a"}]))).await.unwrap();
    let error = paused.commit(b"1".to_vec(), true).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
    taken.commit(b"1".to_vec(), true).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await, json!([{"id": 1, "v": "a"}]));
}

#[tokio::test]
async fn what_an_abandoned_overwrite_had_staged_goes_with_the_next_sync() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut writer = StreamWriter::open(tables.clone(), target(&folder, OVERWRITE, "s1")).await.unwrap();
    writer.stage(rows(json!([{"id": 1, "v": "a"}]))).await.unwrap();
    writer.commit(b"1".to_vec(), false).await.unwrap();
    drop(writer);
    let mut writer = StreamWriter::open(tables.clone(), target(&folder, OVERWRITE, "s2")).await.unwrap();
    assert!(folder.files("sink/bronze/orders/data").is_empty());
    writer.stage(rows(json!([{"id": 2, "v": "b"}]))).await.unwrap();
    writer.commit(b"1".to_vec(), true).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await, json!([{"id": 2, "v": "b"}]));
}

#[tokio::test]
async fn an_end_that_is_told_twice_empties_nothing() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut writer = StreamWriter::open(tables.clone(), target(&folder, OVERWRITE, "s1")).await.unwrap();
    writer.stage(rows(json!([{"id": 1, "v": "a"}]))).await.unwrap();
    writer.commit(b"1".to_vec(), true).await.unwrap();
    drop(writer);
    let mut writer = StreamWriter::open(tables.clone(), target(&folder, OVERWRITE, "s1")).await.unwrap();
    writer.commit(b"2".to_vec(), true).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await, json!([{"id": 1, "v": "a"}]));
    assert_eq!(stored(&tables).await.state, b"2");

    let mut emptied = StreamWriter::open(tables.clone(), target(&folder, OVERWRITE, "s2")).await.unwrap();
    emptied.commit(b"1".to_vec(), true).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await, json!([]), "a source without rows makes an empty table");
}

#[tokio::test]
async fn rows_that_cannot_be_read_fail_alone() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut writer = StreamWriter::open(tables.clone(), target(&folder, MERGE, "s1")).await.unwrap();
    writer.stage(rows(json!([{"id": 1, "v": "a"}]))).await.unwrap();
    let garbage = Rows::inserts(0, RowData::ArrowIpc(vec![7; 300]));
    for (bad, wanted) in [
        (garbage, "no Arrow IPC stream"),
        (rows(json!([{"id": 2}])), "column `v` is missing"),
        (rows(json!([{"id": 2, "v": "b", "w": 1}])), "column `w` is none of the stream's"),
        (rows(json!([{"id": "x", "v": "b"}])), "column `id` has a value that does not fit"),
        (lines("{\"v\":\"b\"}\n", &[]), "column `id` has nulls"),
        (lines("{\"id\":2,\"v\":\"b\"}\n", &[Change::Insert, Change::Insert]), "2 changes of 1 rows"),
    ] {
        let error = writer.stage(bad).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    writer.commit(b"1".to_vec(), true).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await, json!([{"id": 1, "v": "a"}]));
}

#[tokio::test]
async fn a_source_that_grew_evolves_the_table_and_a_changed_type_stops_the_sync() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut writer = StreamWriter::open(tables.clone(), target(&folder, APPEND, "s1")).await.unwrap();
    writer.stage(rows(json!([{"id": 1, "v": "a"}]))).await.unwrap();
    writer.commit(b"1".to_vec(), true).await.unwrap();

    let mut grown = target(&folder, APPEND, "s2");
    grown.columns = vec![column("id", "long"), column("w", "boolean")];
    let mut writer = StreamWriter::open(tables.clone(), grown).await.unwrap();
    writer.stage(rows(json!([{"id": 2, "w": true}]))).await.unwrap();
    writer.commit(b"2".to_vec(), true).await.unwrap();
    assert_eq!(
        content(&tables, "bronze.orders").await,
        json!([{"id": 1, "v": "a", "w": null}, {"id": 2, "v": null, "w": true}])
    );

    let mut changed = target(&folder, APPEND, "s3");
    changed.columns = vec![column("id", "string")];
    let Err(error) = StreamWriter::open(tables.clone(), changed).await else { panic!("expected an error") };
    assert!(error.to_string().contains("`id` is long in the table and string in the rows"), "{error}");
}

#[tokio::test]
async fn an_overwrite_that_is_taken_up_again_with_other_columns_keeps_what_was_staged() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let of = |sync: &str, columns: &[(&str, &str)]| {
        let mut target = target(&folder, OVERWRITE, sync);
        target.columns =
            columns.iter().map(|(name, data_type)| Column { nullable: false, ..column(name, data_type) }).collect();
        target
    };
    let mut before = StreamWriter::open(tables.clone(), of("s1", &[("id", "long")])).await.unwrap();
    before.stage(rows(json!([{"id": 9}]))).await.unwrap();
    before.commit(b"end".to_vec(), true).await.unwrap();

    // Neither `w` nor `n` is in the table yet.
    let mut killed =
        StreamWriter::open(tables.clone(), of("s2", &[("id", "long"), ("w", "double"), ("n", "long")])).await.unwrap();
    killed.stage(rows(json!([{"id": 1, "w": 0.5, "n": 7}]))).await.unwrap();
    killed.commit(b"half".to_vec(), false).await.unwrap();
    crash(killed);
    let retyped = of("s2", &[("id", "long"), ("w", "string"), ("n", "long")]);
    let Err(error) = StreamWriter::open(tables.clone(), retyped).await else { panic!("expected an error") };
    assert!(error.to_string().contains("column `w` of `bronze.orders` changed its type"), "{error}");

    let grown = of("s2", &[("id", "long"), ("w", "double"), ("m", "long")]);
    let mut writer = StreamWriter::open(tables.clone(), grown).await.unwrap();
    writer.stage(rows(json!([{"id": 2, "w": 1.5, "m": 8}]))).await.unwrap();
    writer.commit(b"end".to_vec(), true).await.unwrap();
    assert_eq!(
        content(&tables, "bronze.orders").await,
        json!([{"id": 1, "m": null, "w": 0.5}, {"id": 2, "m": 8, "w": 1.5}])
    );
}

#[tokio::test]
async fn a_table_that_another_writer_changes_meanwhile_keeps_both() {
    use asgard_contract::lakehouse::WriteMode;
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut writer = StreamWriter::open(tables.clone(), target(&folder, MERGE, "s1")).await.unwrap();
    writer.stage(rows(json!([{"id": 1, "v": "a"}]))).await.unwrap();
    writer.commit(b"1".to_vec(), false).await.unwrap();
    writer.stage(rows(json!([{"id": 1, "v": "A"}]))).await.unwrap();
    let write = crate::testing::target("bronze.orders", WriteMode::Append, &[]);
    let stream = crate::testing::stream(json!([{"id": 9, "v": "other", "extra": 1}]));
    tables.write(&write, "other", stream, &crate::testing::no_reads).await.unwrap();
    writer.commit(b"2".to_vec(), true).await.unwrap();
    assert_eq!(
        content(&tables, "bronze.orders").await,
        json!([{"extra": 1, "id": 9, "v": "other"}, {"extra": null, "id": 1, "v": "A"}])
    );
}

/// Runs one sync of rows 0 to 30, ended at random moments, commits included, and taken up again until it is complete.
async fn disturbed(folder: &Folder, mode: SyncMode, dice: &mut Dice) -> u32 {
    const ROWS: u64 = 30;
    let mut ends = 0;
    loop {
        let tables = folder.open().await;
        // What the table has once it is open: a commit that was ended may have come through until then.
        let mut writer = StreamWriter::open(tables.clone(), target(folder, mode, "s1")).await.unwrap();
        let found = writer.found().cloned();
        if found.as_ref().is_some_and(|found| found.complete) {
            return ends;
        }
        let mut next = found.map_or(0, |found| u64::from_be_bytes(found.state.try_into().unwrap()));
        loop {
            let until = (next + 1 + dice.roll(8)).min(ROWS);
            let batch: Vec<Value> = (next..until).map(|id| json!({"id": id, "v": format!("row {id}")})).collect();
            if next < until {
                writer.stage(rows(json!(batch))).await.unwrap();
            }
            next = until;
            if dice.roll(3) == 0 && next < ROWS {
                continue;
            }
            let patience = std::time::Duration::from_micros(dice.roll(12_000));
            let commit = writer.commit(next.to_be_bytes().to_vec(), next == ROWS);
            let committed = tokio::time::timeout(patience, commit).await;
            if committed.is_err() || next == ROWS || dice.roll(4) == 0 {
                ends += 1;
                if dice.roll(2) == 0 {
                    crash(writer)
                } else {
                    drop(writer)
                }
                break;
            }
            committed.unwrap().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_that_are_ended_at_random_moments_come_out_as_undisturbed_ones() {
    let expected: std::collections::BTreeSet<u64> = (0..30).collect();
    for seed in 0..24 {
        let folder = Folder::new();
        let mode = [OVERWRITE, SyncMode::FullRefreshAppend, APPEND, MERGE][seed as usize % 4];
        let ends = disturbed(&folder, mode, &mut Dice(seed)).await;
        let tables = folder.open().await;
        let rows = content(&tables, "bronze.orders").await;
        let ids: Vec<u64> = rows.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), 30, "seed {seed}, {mode:?}, ended {ends} times: rows lost or doubled");
        assert_eq!(ids.into_iter().collect::<std::collections::BTreeSet<u64>>(), expected, "seed {seed}, {mode:?}");
        assert_eq!(stored(&tables).await.records, 30, "seed {seed}, {mode:?}");
    }
}
