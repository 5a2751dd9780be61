//! Where a statement's rows go.

use asgard_capabilities::lakehouse::Engine;
use asgard_contract::lakehouse::{Dialect, Input, Output, WriteMode};
use asgard_contract::{Error, TableName};

use super::{TestLakehouse, statement, with_input, write};

#[tokio::test]
async fn a_table_is_replaced_appended_to_merged_into_and_rewritten_by_key() {
    let test = TestLakehouse::new().await;
    let sql = |rows: &str| format!("SELECT * FROM (VALUES {rows}) AS t (id, name, amount)");
    let all = "SELECT * FROM gold.t ORDER BY id, name";
    let run = async |rows: &str, mode, key: &[&str]| {
        test.run(Dialect::Trino, &sql(rows), write("gold.t", mode, key)).await.unwrap()
    };
    run("(1, 'a', 1.5), (2, 'b', 2.5)", WriteMode::Replace, &[]).await;
    let appended = run("(3, 'c', 3.5)", WriteMode::Append, &[]).await;
    assert_eq!((appended.rows, appended.total_rows), (1, 3));
    run("(2, 'B', 9.5), (4, 'd', 4.5)", WriteMode::Merge, &["id"]).await;
    assert_eq!(test.rows(Dialect::Trino, all).await, ["1 | a | 1.5", "2 | B | 9.5", "3 | c | 3.5", "4 | d | 4.5"]);
    run("(1, 'x', 0.5), (1, 'y', 0.5)", WriteMode::DeleteInsert, &["id"]).await;
    assert_eq!(
        test.rows(Dialect::Trino, all).await,
        ["1 | x | 0.5", "1 | y | 0.5", "2 | B | 9.5", "3 | c | 3.5", "4 | d | 4.5"]
    );
    run("(7, 'z', 7.5)", WriteMode::Replace, &[]).await;
    assert_eq!(test.rows(Dialect::Trino, all).await, ["7 | z | 7.5"]);
    assert_eq!(
        test.types(Dialect::Trino, "SELECT * FROM gold.t").await,
        ["id int", "name string", "amount decimal(2,1)"]
    );
}

#[tokio::test]
async fn a_key_is_written_once() {
    let test = TestLakehouse::new().await;
    let append = || write("gold.t", WriteMode::Append, &[]);
    let first = test.run_with("k", statement(Dialect::Trino, "SELECT 1 AS id"), append()).await.unwrap();
    let again = test.run_with("k", statement(Dialect::Trino, "SELECT 1 AS id"), append()).await.unwrap();
    assert_eq!((again.rows, again.snapshot), (first.rows, first.snapshot));
    assert_eq!(test.value(Dialect::Trino, "SELECT count(*) FROM gold.t").await, "1");
}

#[tokio::test]
async fn a_view_is_read_in_the_dialect_it_was_made_in() {
    let test = TestLakehouse::new().await;
    test.table("silver.t", "SELECT 7 AS a, 2 AS b").await;
    let view = |name: &str| Output::View(TableName::new("gold", name));
    test.run(Dialect::Trino, "SELECT a / b AS q, a FROM silver.t", view("v")).await.unwrap();
    assert_eq!(test.value(Dialect::Spark, "SELECT q, a / 2 FROM gold.v").await, "3 | 3.5");
    test.run(Dialect::Trino, "SELECT q + 1 AS q FROM iceberg.gold.v", view("w")).await.unwrap();
    assert_eq!(test.value(Dialect::Trino, "SELECT * FROM gold.w").await, "4");
    let plan = test.lakehouse.plan(&statement(Dialect::Trino, "SELECT * FROM gold.w")).await.unwrap();
    let read: Vec<String> = plan.tables.iter().map(TableName::to_string).collect();
    assert_eq!(read, ["gold.v", "gold.w", "silver.t"]);
    test.table("silver.t", "SELECT 9 AS a, 2 AS b").await;
    assert_eq!(test.value(Dialect::Trino, "SELECT * FROM gold.w").await, "5");
}

#[tokio::test]
async fn rows_go_to_a_parquet_file_and_come_back_from_it() {
    let test = TestLakehouse::new().await;
    let file = test.folder.path().join("objects/rows.parquet");
    let location = format!("file://{}", file.display());
    let sql = "SELECT * FROM (VALUES (1, 'a', DATE '2024-01-01'), (2, NULL, NULL)) AS t (Id, name, day)";
    let written = test.run(Dialect::Trino, sql, Output::Parquet(location.clone())).await.unwrap();
    assert_eq!((written.rows, written.total_rows), (2, 2));
    assert_eq!(written.bytes, std::fs::metadata(&file).unwrap().len());
    assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    for location in [location, format!("file://{}/", file.parent().unwrap().display())] {
        let read = with_input(Dialect::Spark, "SELECT * FROM ROWS ORDER BY id", "rows", Input::Location(location));
        let ipc = test.lakehouse.query(&read, 10).await.unwrap();
        assert_eq!(super::shown(&ipc), ["1 | a | 2024-01-01", "2 | NULL | NULL"]);
    }
}

#[tokio::test]
async fn inputs_are_tables_locations_json_lines_and_arrow() {
    let test = TestLakehouse::new().await;
    let written = test.table("silver.t", "SELECT 1 AS a, 'x' AS b").await;
    let folder = test.folder.path().join("json");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("rows.jsonl"), "{\"a\": 2, \"b\": \"y\"}\n{\"a\": 3}\n").unwrap();
    let ipc = test.lakehouse.query(&statement(Dialect::Spark, "SELECT 4 AS A, 'z' AS b"), 10).await.unwrap();
    let inputs = [
        (Input::Table(TableName::new("silver", "t")), vec!["1 | x"]),
        (Input::Location(written.location), vec!["1 | x"]),
        (Input::Location(format!("file://{}/", folder.display())), vec!["2 | y", "3 | NULL"]),
        (Input::Arrow(ipc), vec!["4 | z"]),
    ];
    for (input, expected) in inputs {
        let read = with_input(Dialect::Spark, "SELECT a, B FROM source_data ORDER BY a", "source_data", input.clone());
        let ipc = test.lakehouse.query(&read, 10).await.unwrap_or_else(|error| panic!("{input:?}: {error}"));
        assert_eq!(super::shown(&ipc), expected, "{input:?}");
    }
    for (location, expected) in [
        ("s3://bucket/x/", "credentials for bucket `bucket`"),
        ("ftp://x/", "`file:///…`"),
        ("file:///nowhere/", "nothing at"),
    ] {
        let read = with_input(Dialect::Spark, "SELECT * FROM t", "t", Input::Location(location.to_owned()));
        let error = test.lakehouse.query(&read, 10).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_query_gives_its_first_rows_only() {
    let test = TestLakehouse::new().await;
    let sql = "SELECT * FROM (VALUES (1), (2), (3)) AS t (a) ORDER BY a DESC";
    let ipc = test.lakehouse.query(&statement(Dialect::Trino, sql), 2).await.unwrap();
    assert_eq!(super::shown(&ipc), ["3", "2"]);
}

#[tokio::test]
async fn columns_that_no_table_keeps_are_refused_by_name() {
    let test = TestLakehouse::new().await;
    let cases = [
        (Dialect::Trino, "SELECT 1 + 1, 2 AS b", "column 1 has no name"),
        (Dialect::Trino, "SELECT NULL AS nothing", "`nothing` has no type"),
        (Dialect::Trino, "SELECT INTERVAL '1' DAY AS pause", "`pause` is an interval"),
    ];
    for (dialect, sql, expected) in cases {
        let error = test.run(dialect, sql, write("gold.t", WriteMode::Replace, &[])).await.unwrap_err();
        let Error::InvalidInput { message, .. } = error else { panic!("{error:?}") };
        assert!(message.contains(expected), "{sql}: {message}");
    }
}
