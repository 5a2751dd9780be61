//! Tables through what the engine uses of them.

use asgard_contract::Error;
use asgard_contract::lakehouse::{Dialect, WriteMode, Written};
use serde_json::json;

use super::*;
use crate::testing::{
    Folder, batch, columns, content, failing, name, no_reads, open_twice, pairs, rows_of, stream, table, target,
};

async fn put(tables: &Tables, to: &str, mode: WriteMode, key: &str, rows: serde_json::Value) -> Written {
    tables.write(&target(to, mode, &["id"]), key, stream(rows), &no_reads).await.unwrap()
}

#[tokio::test]
async fn a_replacement_is_the_tables_only_content_columns_included() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "silver.a", WriteMode::Replace, "1", json!([{"id": 1, "old": "x"}])).await;
    let before = table(&tables, "silver.a").await;
    let written = put(&tables, "silver.a", WriteMode::Replace, "2", json!([{"new": 2.5, "id": 7}, {"new": 1.0}])).await;
    assert_eq!((written.rows, written.total_rows), (2, 2));
    assert_eq!(content(&tables, "silver.a").await, json!([{"id": 7, "new": 2.5}, {"id": null, "new": 1.0}]));
    assert_eq!(columns(&tables, "silver.a").await, pairs(&[("id", "long"), ("new", "double")]));

    let id = |loaded: &LoadedTable| loaded.state.metadata.current_schema().field_id_by_name("id");
    assert_eq!(id(&before), id(&table(&tables, "silver.a").await), "a column that stays keeps its id");
    assert_eq!(rows_of(&tables, &before).await, json!([{"id": 1, "old": "x"}]), "readers of before read on");
}

#[tokio::test]
async fn nothing_is_a_result_too() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "silver.a", WriteMode::Append, "1", json!([{"id": 1}])).await;
    let none = batch(json!([{"id": 1}])).slice(0, 0);
    let rows =
        datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(none.schema(), futures::stream::empty());
    let written =
        tables.write(&target("silver.a", WriteMode::Replace, &[]), "2", Box::pin(rows), &no_reads).await.unwrap();
    assert_eq!((written.rows, written.total_rows), (0, 0));
    assert_eq!(content(&tables, "silver.a").await, json!([]));
}

#[tokio::test]
async fn appended_rows_may_bring_columns() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "silver.a", WriteMode::Append, "1", json!([{"id": 1, "b": "x"}])).await;
    let written = put(&tables, "silver.a", WriteMode::Append, "2", json!([{"c": true, "id": 2}])).await;
    assert_eq!((written.rows, written.total_rows), (1, 2));
    assert_eq!(
        content(&tables, "silver.a").await,
        json!([{"id": 1, "b": "x", "c": null}, {"id": 2, "b": null, "c": true}])
    );
    let error = tables
        .write(&target("silver.a", WriteMode::Append, &[]), "3", stream(json!([{"id": true}])), &no_reads)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("`id` is long in the table and boolean in the rows"), "{error}");
}

#[tokio::test]
async fn a_merge_updates_by_key_and_leaves_other_files_alone() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "gold.a", WriteMode::Append, "1", json!([{"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"v": "null"}]))
        .await;
    put(&tables, "gold.a", WriteMode::Append, "2", json!([{"id": 50, "v": "far"}])).await;
    let files = table(&tables, "gold.a").await.data_file_names();
    let rows = json!([{"id": 2, "v": "B", "w": 1}, {"id": 3, "v": "c", "w": 2}, {"v": "another", "w": 3}]);
    let written = put(&tables, "gold.a", WriteMode::Merge, "3", rows).await;
    assert_eq!((written.rows, written.total_rows), (3, 6));
    assert_eq!(
        content(&tables, "gold.a").await,
        json!([
            {"id": 1, "v": "a", "w": null},
            {"id": 2, "v": "B", "w": 1},
            {"id": 3, "v": "c", "w": 2},
            {"id": 50, "v": "far", "w": null},
            {"id": null, "v": "another", "w": 3},
            {"id": null, "v": "null", "w": null},
        ])
    );
    let kept = table(&tables, "gold.a").await.data_file_names();
    assert!(kept.contains(&files[0]) && !kept.contains(&files[1]), "{files:?} -> {kept:?}");
}

#[tokio::test]
async fn rows_that_lack_a_column_take_no_other_rows_place() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let rows = json!([{"id": 1, "v": "a", "w": "kept"}]);
    put(&tables, "gold.a", WriteMode::Merge, "1", rows.clone()).await;
    for (mode, key) in [(WriteMode::Merge, "2"), (WriteMode::DeleteInsert, "3")] {
        let lacking = stream(json!([{"id": 1, "v": "b"}, {"id": 2, "v": "c"}]));
        let error = tables.write(&target("gold.a", mode, &["id"]), key, lacking, &no_reads).await.unwrap_err();
        assert!(error.to_string().contains("lack column `w`"), "{error}");
    }
    assert_eq!(content(&tables, "gold.a").await, rows);
}

#[tokio::test]
async fn two_rows_that_would_update_one_are_refused() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let twice = json!([{"id": 1, "v": "a"}, {"id": 1, "v": "b"}]);
    put(&tables, "gold.a", WriteMode::Merge, "1", twice.clone()).await;
    assert_eq!(content(&tables, "gold.a").await, twice, "nothing is there to update");
    let error = tables
        .write(&target("gold.a", WriteMode::Merge, &["id"]), "2", stream(twice.clone()), &no_reads)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("same id"), "{error}");
    assert_eq!(content(&tables, "gold.a").await, twice);
    assert_eq!(folder.files("warehouse/gold/a/data").len(), 1, "the refused rows' file is gone");
}

#[tokio::test]
async fn delete_insert_puts_all_rows_of_a_key_in_the_place_of_all_rows() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let before = json!([{"id": 1, "v": "a"}, {"id": 1, "v": "b"}, {"id": 2, "v": "c"}]);
    put(&tables, "gold.a", WriteMode::DeleteInsert, "1", before).await;
    put(&tables, "gold.a", WriteMode::DeleteInsert, "2", json!([{"id": 1, "v": "x"}, {"id": 1, "v": "y"}])).await;
    assert_eq!(
        content(&tables, "gold.a").await,
        json!([{"id": 1, "v": "x"}, {"id": 1, "v": "y"}, {"id": 2, "v": "c"}])
    );
}

#[tokio::test]
async fn a_merge_needs_a_key_that_is_a_column() {
    let folder = Folder::new();
    let tables = folder.open().await;
    for (key, wanted) in [(&["nope"][..], "no column `nope`"), (&[][..], "name its columns")] {
        let write = target("gold.a", WriteMode::Merge, key);
        let error = tables.write(&write, "1", stream(json!([{"id": 1}])), &no_reads).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[tokio::test]
async fn a_repeated_run_answers_as_the_first_did_and_writes_nothing() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let rows = json!([{"id": 1}, {"id": 2}]);
    let reads = || Reads { rows: 10, bytes: 100, ..Reads::default() };
    let write = target("silver.a", WriteMode::Append, &[]);
    let first = tables.write(&write, "run 1", stream(rows.clone()), &reads).await.unwrap();
    put(&tables, "silver.a", WriteMode::Append, "run 2", rows.clone()).await;
    let never = failing(rows, Error::internal("polled"));
    let again = folder.open().await.write(&write, "run 1", never, &no_reads).await.unwrap();
    assert_eq!(first, again);
    assert_eq!((again.rows_read, again.bytes_read, again.total_rows), (10, 100, 2));
    assert_eq!(table(&tables, "silver.a").await.rows, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_meet_all_land() {
    let folder = Folder::new();
    let both = open_twice(&folder).await;
    put(&both[0], "silver.a", WriteMode::Append, "first", json!([{"id": 1000, "v": 0}])).await;
    let writes = (0..12).map(|n| {
        let tables = both[n % 2].clone();
        tokio::spawn(async move {
            let (mode, key) = if n % 3 == 0 { (WriteMode::Merge, "id") } else { (WriteMode::Append, "id") };
            let rows = stream(json!([{"id": n, "v": n}]));
            tables.write(&target("silver.a", mode, &[key]), &format!("run {n}"), rows, &no_reads).await.unwrap();
        })
    });
    for done in writes.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    let rows = content(&both[1], "silver.a").await;
    let ids: std::collections::BTreeSet<i64> =
        rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!((ids.len(), rows.as_array().unwrap().len()), (13, 13));
    assert_eq!(table(&both[0], "silver.a").await.state.metadata.snapshots().count(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_committed_once_even_by_two_at_a_time() {
    let folder = Folder::new();
    let both = open_twice(&folder).await;
    let writes = (0..6).map(|n| {
        let tables = both[n % 2].clone();
        tokio::spawn(async move { put(&tables, "silver.a", WriteMode::Append, "same", json!([{"id": 1}])).await })
    });
    let mut answers = Vec::new();
    for done in writes.collect::<Vec<_>>() {
        answers.push(done.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(content(&both[0], "silver.a").await, json!([{"id": 1}]));
    assert_eq!(folder.files("warehouse/silver/a/data").len(), 1);
}

#[tokio::test]
async fn a_failed_write_changes_nothing_and_leaves_no_file() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let error = Error::invalid("sql", "division by zero");
    let write = target("silver.a", WriteMode::Replace, &[]);
    let failed = tables.write(&write, "1", failing(json!([{"id": 1}]), error.clone()), &no_reads).await.unwrap_err();
    assert_eq!(failed, error, "the contract's error comes out as it went in");
    assert!(tables.list("silver").await.unwrap().is_empty());
    assert!(folder.files("warehouse/silver/a/data").is_empty());
}

#[tokio::test]
async fn a_cancelled_write_leaves_no_file() {
    use futures::StreamExt as _;
    let folder = Folder::new();
    let tables = folder.open().await;
    let rows = batch(json!([{"id": 1}]));
    let endless = futures::stream::iter([Ok(rows.clone())]).chain(futures::stream::pending());
    let endless = datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(rows.schema(), endless);
    let write = target("silver.a", WriteMode::Replace, &[]);
    let writing = tables.write(&write, "1", Box::pin(endless), &no_reads);
    tokio::time::timeout(std::time::Duration::from_millis(500), writing).await.unwrap_err();
    assert!(folder.files("warehouse/silver/a/data").is_empty());
}

#[tokio::test]
async fn a_reopened_lakehouse_has_tables_and_views() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "silver.a", WriteMode::Append, "1", json!([{"id": 1}])).await;
    let definition = view("SELECT id FROM silver.a");
    tables.put_view(&name("silver.v"), "2", definition).await.unwrap();
    drop(tables);
    let tables = folder.open().await;
    assert_eq!(tables.list("silver").await.unwrap(), [name("silver.a"), name("silver.v")]);
    assert_eq!(content(&tables, "silver.a").await, json!([{"id": 1}]));
    let info = tables.load(&name("silver.v")).await.unwrap().info();
    assert_eq!(info.view_sql.as_deref(), Some("SELECT id FROM silver.a"));
    assert!(tables.committed(&name("silver.v"), "2").await.unwrap().is_some());
    assert!(tables.committed(&name("silver.v"), "3").await.unwrap().is_none());
}

fn view(sql: &str) -> ViewDefinition {
    ViewDefinition { sql: sql.to_owned(), dialect: Dialect::Trino, schema: batch(json!([{"id": 1}])).schema() }
}

#[tokio::test]
async fn a_view_and_a_table_take_each_others_place() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "gold.a", WriteMode::Replace, "1", json!([{"id": 1}])).await;
    tables.put_view(&name("gold.a"), "2", view("SELECT 1 AS id")).await.unwrap();
    tables.put_view(&name("gold.a"), "3", view("SELECT 2 AS id")).await.unwrap();
    let Loaded::View(loaded) = tables.load(&name("gold.a")).await.unwrap() else { panic!() };
    assert_eq!((loaded.sql.as_str(), loaded.dialect), ("SELECT 2 AS id", Dialect::Trino));
    let append = target("gold.a", WriteMode::Append, &[]);
    let error = tables.write(&append, "4", stream(json!([{"id": 1}])), &no_reads).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
    put(&tables, "gold.a", WriteMode::Replace, "5", json!([{"id": 3}])).await;
    assert_eq!(content(&tables, "gold.a").await, json!([{"id": 3}]));
}

#[tokio::test]
async fn a_dropped_table_is_gone_and_its_name_is_free() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "gold.a", WriteMode::Replace, "1", json!([{"id": 1}])).await;
    let reader = table(&tables, "gold.a").await;
    tables.drop(&name("gold.a")).await.unwrap();
    tables.drop(&name("gold.a")).await.unwrap();
    let error = tables.load(&name("gold.a")).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert_eq!(rows_of(&tables, &reader).await, json!([{"id": 1}]), "who found it before reads on");
    put(&tables, "gold.a", WriteMode::Replace, "1", json!([{"id": 2}])).await;
    tables.remove_dropped_before(std::time::Duration::ZERO).await.unwrap();
    assert_eq!(content(&tables, "gold.a").await, json!([{"id": 2}]), "the new table's files are its own");
    assert_eq!(folder.files("warehouse/gold/a/data").len(), 1);
}

#[tokio::test]
async fn a_missing_table_is_told_with_the_nearest_name() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "silver.orders", WriteMode::Replace, "1", json!([{"id": 1}])).await;
    let error = tables.load(&name("silver.order")).await.unwrap_err().to_string();
    assert!(error.contains("did you mean `silver.orders`?"), "{error}");
}

#[tokio::test]
async fn a_table_is_found_by_its_location_and_plain_folders_are_none() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "silver.a", WriteMode::Replace, "1", json!([{"id": 1}])).await;
    put(&tables, "silver.a", WriteMode::Append, "2", json!([{"id": 2}])).await;
    let location = table(&tables, "silver.a").await.location;
    let found = tables.load_location(&format!("{location}/")).await.unwrap().unwrap();
    assert_eq!((found.name, found.rows), (name("silver.a"), 2));

    let elsewhere = Folder::new();
    let other = elsewhere.open().await;
    let found = other.load_location(&location).await.unwrap().unwrap();
    assert_eq!(rows_of(&other, &found).await, json!([{"id": 1}, {"id": 2}]));
    assert!(other.load_location("file:///nowhere").await.unwrap().is_none());
    assert!(other.load_location("s3://bucket/a").await.is_err());
}

#[tokio::test]
async fn many_small_commits_stay_quick_to_read() {
    let folder = Folder::new();
    let tables = folder.open().await;
    for n in 0..102 {
        put(&tables, "silver.a", WriteMode::Append, &n.to_string(), json!([{"id": n}])).await;
    }
    let loaded = table(&tables, "silver.a").await;
    assert_eq!((loaded.rows, loaded.files.len()), (102, 102));
    let snapshot = loaded.state.metadata.current_snapshot().unwrap();
    let manifests = manifests::of_snapshot(&tables.inner.io, &loaded.state.metadata, snapshot).await.unwrap();
    assert!(manifests.len() <= 3, "{} manifests", manifests.len());
    assert_eq!(snapshot.summary().additional_properties["total-records"], "102");
    assert!(folder.files("warehouse/silver/a/metadata").iter().filter(|name| name.ends_with(".json")).count() <= 101);
}

#[tokio::test]
async fn rows_of_every_type_come_back_as_they_were() {
    use arrow_array::types::Int32Type;
    use arrow_array::*;
    let folder = Folder::new();
    let tables = folder.open().await;
    let rows = RecordBatch::try_from_iter([
        ("i8", std::sync::Arc::new(Int8Array::from(vec![Some(-1), None])) as ArrayRef),
        ("u64", std::sync::Arc::new(UInt64Array::from(vec![1, 2]))),
        ("f16", std::sync::Arc::new(Float32Array::from(vec![1.5, f32::NAN]))),
        ("dec", std::sync::Arc::new(Decimal128Array::from(vec![-12345, 1]).with_precision_and_scale(7, 2).unwrap())),
        ("day", std::sync::Arc::new(Date32Array::from(vec![-1, 20000]))),
        ("ns", std::sync::Arc::new(TimestampNanosecondArray::from(vec![1_500, 2_000]))),
        ("tz", std::sync::Arc::new(TimestampMillisecondArray::from(vec![0, 1]).with_timezone("+02:00"))),
        ("view", std::sync::Arc::new(StringViewArray::from(vec!["ü", "a long text that is not inlined"]))),
        ("dict", std::sync::Arc::new(["x", "x"].into_iter().collect::<DictionaryArray<Int32Type>>())),
        ("bin", std::sync::Arc::new(LargeBinaryArray::from(vec![&b"\0\xff"[..], b""]))),
        ("none", std::sync::Arc::new(NullArray::new(2))),
        (
            "list",
            std::sync::Arc::new(LargeListArray::from_iter_primitive::<Int32Type, _, _>([
                Some(vec![Some(1), None]),
                None,
            ])),
        ),
    ])
    .unwrap();
    let stream = datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(
        rows.schema(),
        futures::stream::iter([Ok(rows)]),
    );
    let write = target("silver.a", WriteMode::Replace, &[]);
    tables.write(&write, "1", Box::pin(stream), &no_reads).await.unwrap();
    let types: Vec<String> = columns(&tables, "silver.a").await.into_iter().map(|(_, data_type)| data_type).collect();
    assert_eq!(
        types,
        [
            "int",
            "long",
            "float",
            "decimal(7,2)",
            "date",
            "timestamp",
            "timestamptz",
            "string",
            "string",
            "binary",
            "string",
            "list<int>"
        ]
    );
    let rows = content(&tables, "silver.a").await;
    let first = rows.as_array().unwrap().iter().find(|row| row["i8"] == json!(-1)).unwrap();
    assert_eq!(first["day"], json!("1969-12-31"));
    assert_eq!(first["ns"], json!("1970-01-01T00:00:00.000001"));
    assert_eq!((&first["list"], &first["none"], &first["dict"]), (&json!([1, null]), &json!(null), &json!("x")));
    let loaded = table(&tables, "silver.a").await;
    let statistics = &loaded.files[0].statistics.column_statistics;
    assert_eq!(statistics[3].min_value.get_value().unwrap().to_string(), "Some(-12345),7,2");
    assert!(statistics[2].min_value.get_value().is_none(), "NaN is outside of bounds");
}

#[tokio::test]
async fn a_key_that_is_no_number_is_found_though_bounds_do_not_tell_of_it() {
    use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    use arrow_schema::{DataType, Field, Schema};
    use datafusion::execution::SendableRecordBatchStream;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

    let rows = |keys: [f64; 2], v: &str| -> SendableRecordBatchStream {
        let fields = vec![Field::new("k", DataType::Float64, true), Field::new("v", DataType::Utf8, true)];
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Float64Array::from(keys.to_vec())), Arc::new(StringArray::from(vec![v, v]))];
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        Box::pin(RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)])))
    };
    for mode in [WriteMode::Merge, WriteMode::DeleteInsert] {
        let folder = Folder::new();
        let tables = folder.open().await;
        let old = target("silver.a", WriteMode::Append, &[]);
        tables.write(&old, "1", rows([1.0, f64::NAN], "old"), &no_reads).await.unwrap();
        tables.write(&target("silver.a", mode, &["k"]), "2", rows([500.0, f64::NAN], "new"), &no_reads).await.unwrap();
        assert_eq!(
            content(&tables, "silver.a").await,
            json!([{"k": "NaN", "v": "new"}, {"k": 1.0, "v": "old"}, {"k": 500.0, "v": "new"}]),
            "{mode:?}"
        );
    }
}

#[tokio::test]
async fn old_metadata_files_go_where_the_table_says_so() {
    for (wanted, left) in [("true", 2), ("false", 6)] {
        let folder = Folder::new();
        let tables = folder.open().await;
        let mut write = target("silver.a", WriteMode::Append, &[]);
        write.properties = pairs(&[
            ("write.metadata.previous-versions-max", "1"),
            ("write.metadata.delete-after-commit.enabled", wanted),
        ]);
        for id in 0..6 {
            tables.write(&write, &id.to_string(), stream(json!([{"id": id}])), &no_reads).await.unwrap();
        }
        let files = folder.files("warehouse/silver/a/metadata");
        assert_eq!(files.iter().filter(|name| name.ends_with(".metadata.json")).count(), left, "{wanted}");
    }
}

impl LoadedTable {
    fn data_file_names(&self) -> Vec<String> {
        self.files.iter().map(|file| file.location.clone()).collect()
    }
}
