//! What updates leave alone, truncations, and columns that evolve while a table is open.

use super::*;

fn wide(folder: &Folder, sync: &str) -> StreamTarget {
    let mut target = target(folder, MERGE, sync);
    target.columns = vec![column("id", "int"), column("v", "string"), column("big", "string")];
    target
}

pub(super) fn json_lines(rows: &[Value]) -> RowData {
    RowData::JsonLines(rows.iter().map(|row| format!("{row}\n")).collect::<String>().into_bytes())
}

/// Updates of rows whose `big` is left alone.
pub(super) fn partial(rows: &[Value], previous: Option<&[Value]>) -> Rows {
    Rows {
        changes: vec![Change::Update; rows.len()],
        kept: vec!["big".to_owned()],
        previous_keys: previous.map(json_lines),
        ..Rows::inserts(0, json_lines(rows))
    }
}

pub(super) fn changed(rows: &[Value], change: Change) -> Rows {
    Rows { changes: vec![change; rows.len()], ..Rows::inserts(0, json_lines(rows)) }
}

#[tokio::test]
async fn values_that_updates_leave_alone_are_those_of_the_row_before() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut writer = StreamWriter::open(tables.clone(), wide(&folder, "s1")).await.unwrap();
    let first: Vec<Value> = (1..=6).map(|id| json!({"id": id, "v": "a", "big": format!("big {id}")})).collect();
    writer.stage(Rows::inserts(0, json_lines(&first))).await.unwrap();
    writer.commit(b"1".to_vec(), true).await.unwrap();

    // 1: kept twice. 2: its key changes, then again. 3: written anew, then kept. 4: deleted, then another row. 5, 6: swapped.
    writer.stage(partial(&[json!({"id": 1, "v": "b"}), json!({"id": 1, "v": "c"})], None)).await.unwrap();
    writer.stage(partial(&[json!({"id": 20, "v": "moved"})], Some(&[json!({"id": 2})]))).await.unwrap();
    writer.stage(partial(&[json!({"id": 21, "v": "again"})], Some(&[json!({"id": 20})]))).await.unwrap();
    writer.stage(changed(&[json!({"id": 3, "v": "b", "big": "new 3"})], Change::Update)).await.unwrap();
    writer.stage(partial(&[json!({"id": 3, "v": "c"})], None)).await.unwrap();
    writer.stage(changed(&[json!({"id": 4})], Change::Delete)).await.unwrap();
    writer.stage(changed(&[json!({"id": 4, "v": "other", "big": "new 4"})], Change::Insert)).await.unwrap();
    for (from, to) in [(5, 50), (6, 5), (50, 6)] {
        writer.stage(partial(&[json!({"id": to, "v": "swapped"})], Some(&[json!({"id": from})]))).await.unwrap();
    }
    writer.commit(b"2".to_vec(), false).await.unwrap();
    let expected = json!([
        {"id": 1, "v": "c", "big": "big 1"},
        {"id": 21, "v": "again", "big": "big 2"},
        {"id": 6, "v": "swapped", "big": "big 5"},
        {"id": 5, "v": "swapped", "big": "big 6"},
        {"id": 3, "v": "c", "big": "new 3"},
        {"id": 4, "v": "other", "big": "new 4"},
    ]);
    assert_eq!(content(&tables, "bronze.orders").await, expected);
    let live = table(&tables, "bronze.orders").await.files.len();
    assert!(folder.files("sink/bronze/orders/data").len() <= live + 1, "completed rows leave no other files behind");
}

#[tokio::test]
async fn a_truncation_takes_what_was_there_and_what_was_staged() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut writer = StreamWriter::open(tables.clone(), target(&folder, MERGE, "s1")).await.unwrap();
    writer.stage(rows(json!([{"id": 1, "v": "a"}]))).await.unwrap();
    writer.commit(b"1".to_vec(), true).await.unwrap();
    writer.stage(rows(json!([{"id": 2, "v": "b"}]))).await.unwrap();
    writer.truncate().unwrap();
    writer.stage(rows(json!([{"id": 3, "v": "c"}]))).await.unwrap();
    assert_eq!(
        content(&tables, "bronze.orders").await,
        json!([{"id": 1, "v": "a"}]),
        "nothing is seen before the commit"
    );
    writer.commit(b"2".to_vec(), false).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await, json!([{"id": 3, "v": "c"}]));
    writer.truncate().unwrap();
    writer.commit(b"3".to_vec(), true).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await, json!([]));

    let mut appending = StreamWriter::open(tables, target(&folder, APPEND, "s2")).await.unwrap();
    assert!(matches!(appending.truncate(), Err(Error::Unsupported { .. })));
}

#[tokio::test]
async fn a_merged_stream_that_starts_over_replaces_its_table() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut writer = StreamWriter::open(tables.clone(), target(&folder, MERGE, "s1")).await.unwrap();
    writer.stage(rows(json!([{"id": 1, "v": "a"}, {"id": 2, "v": "gone from the source"}]))).await.unwrap();
    writer.commit(b"1".to_vec(), true).await.unwrap();

    let mut reset = target(&folder, MERGE, "s2");
    reset.ingestion_id = "ingestion/1".to_owned();
    reset.columns = vec![column("id", "long"), column("v", "date")];
    let mut writer = StreamWriter::open(tables.clone(), reset).await.unwrap();
    writer.stage(rows(json!([{"id": 1, "v": "2026-01-02"}]))).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await.as_array().unwrap().len(), 2);
    writer.commit(b"1".to_vec(), true).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await, json!([{"id": 1, "v": "2026-01-02"}]));
    writer.stage(rows(json!([{"id": 2, "v": "2026-01-03"}]))).await.unwrap();
    writer.commit(b"2".to_vec(), true).await.unwrap();
    assert_eq!(content(&tables, "bronze.orders").await.as_array().unwrap().len(), 2, "once");
}

#[tokio::test]
async fn columns_evolve_while_rows_are_staged() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut writer = StreamWriter::open(tables.clone(), wide(&folder, "s1")).await.unwrap();
    writer
        .stage(Rows::inserts(0, json_lines(&[json!({"id": 1, "v": "a", "big": "x"}), json!({"id": 2, "v": "b"})])))
        .await
        .unwrap();
    writer.commit(b"1".to_vec(), true).await.unwrap();

    writer.stage(changed(&[json!({"id": 3, "v": "c"})], Change::Insert)).await.unwrap();
    writer.stage(partial(&[json!({"id": 1, "v": "b"})], None)).await.unwrap();
    let evolved = vec![column("id", "long"), column("v", "string"), column("big", "string"), column("new", "double")];
    writer.evolve(evolved).await.unwrap();
    let large = 5_000_000_000_i64;
    writer
        .stage(changed(&[json!({"id": large, "v": "d", "new": 0.5}), json!({"id": 3, "v": "e"})], Change::Update))
        .await
        .unwrap();
    writer.stage(changed(&[json!({"id": 2})], Change::Delete)).await.unwrap();
    writer.commit(b"2".to_vec(), false).await.unwrap();
    let expected = json!([
        {"id": 1, "v": "b", "big": "x"},
        {"id": 3, "v": "e"},
        {"id": large, "v": "d", "new": 0.5},
    ]);
    let found: Vec<Value> =
        content(&tables, "bronze.orders").await.as_array().unwrap().iter().map(without_nulls).collect();
    assert_eq!(json!(found), expected);
}

#[tokio::test]
async fn rows_that_wait_keep_their_values_when_the_columns_of_a_stream_that_starts_over_evolve() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let mut before = StreamWriter::open(tables.clone(), target(&folder, MERGE, "s1")).await.unwrap();
    before.stage(rows(json!([{"id": 9, "v": "old"}]))).await.unwrap();
    before.commit(b"1".to_vec(), true).await.unwrap();

    // `big` is not in the table yet.
    let mut anew = wide(&folder, "s2");
    anew.ingestion_id = "ingestion/1".to_owned();
    let mut writer = StreamWriter::open(tables.clone(), anew).await.unwrap();
    writer.stage(Rows::inserts(0, json_lines(&[json!({"id": 1, "v": "a", "big": "x"})]))).await.unwrap();
    let with = |name: &str, data_type: &str| {
        vec![column("id", "int"), column("v", "string"), column("big", "string"), column(name, data_type)]
    };
    writer.evolve(with("new", "double")).await.unwrap();
    writer.stage(Rows::inserts(0, json_lines(&[json!({"id": 2, "big": "y", "new": 0.5})]))).await.unwrap();
    let Err(error) = writer.evolve(with("new", "string")).await else { panic!("expected an error") };
    assert!(error.to_string().contains("column `new` of `bronze.orders` changed its type"), "{error}");
    writer.evolve(with("new", "double")).await.unwrap();
    writer.commit(b"2".to_vec(), true).await.unwrap();
    assert_eq!(
        content(&tables, "bronze.orders").await,
        json!([{"big": "x", "id": 1, "new": null, "v": "a"}, {"big": "y", "id": 2, "new": 0.5, "v": null}])
    );
}

fn without_nulls(row: &Value) -> Value {
    let there = row.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    Value::Object(there.map(|(name, value)| (name.clone(), value.clone())).collect())
}
