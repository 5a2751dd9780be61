//! A statement keeps to its memory and time, and ends when its owner does.

use std::time::{Duration, Instant};

use asgard_capabilities::lakehouse::Engine;
use asgard_contract::environment::Limits;
use asgard_contract::lakehouse::{Dialect, WriteMode};
use asgard_contract::{Error, Progress, TableName};
use tokio::sync::watch;

use super::{TestLakehouse, statement, write};

/// 10,000 rows; joined with itself, enough work for a minute.
const MANY: &str = "
    WITH digits AS (SELECT * FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS t (d))
    SELECT a.d * 1000 + b.d * 100 + c.d * 10 + e.d AS n FROM digits a, digits b, digits c, digits e";

const ENDLESS: &str = "
    SELECT count(*) AS found FROM silver.many a, silver.many b, silver.many c WHERE (a.n * b.n + c.n) % 7 = 1";

#[tokio::test]
async fn a_statement_ends_at_its_time() {
    let test = TestLakehouse::with(Limits { query_seconds: 1, ..Limits::default() }).await;
    test.table("silver.many", MANY).await;
    let began = Instant::now();
    let message = test.wrong(Dialect::Trino, ENDLESS).await;
    assert!(message.contains("ended after 1 s") && message.contains("limits.query_seconds"), "{message}");
    // It may have waited for statements of other tests.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn waiting_in_line_is_none_of_a_statements_time() {
    let others = TestLakehouse::with(Limits { query_seconds: 2, ..Limits::default() }).await;
    others.table("silver.many", MANY).await;
    let test = TestLakehouse::with(Limits { query_seconds: 1, ..Limits::default() }).await;
    let mut heavy = Vec::new();
    for _ in 0..asgard_threads::cores().max(2) {
        let lakehouse = std::sync::Arc::clone(&others.lakehouse);
        heavy.push(tokio::spawn(async move { lakehouse.query(&statement(Dialect::Trino, ENDLESS), 1).await }));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    assert_eq!(test.value(Dialect::Trino, "SELECT 1").await, "1");
    assert!(began.elapsed() > Duration::from_secs(1), "it did not wait: {:?}", began.elapsed());
    for run in heavy {
        run.abort();
    }
}

#[tokio::test]
async fn a_statement_keeps_to_its_memory() {
    let test = TestLakehouse::with(Limits { query_memory_bytes: 8 << 20, ..Limits::default() }).await;
    test.table("silver.many", MANY).await;
    let all = "SELECT cardinality(array_agg(lpad(CAST(a.n AS varchar), 200, 'x'))) AS a
               FROM silver.many a, (SELECT * FROM silver.many LIMIT 100) b";
    let message = test.wrong(Dialect::Trino, all).await;
    assert!(message.contains("8 MiB") && message.contains("limits.query_memory_bytes"), "{message}");
}

#[tokio::test]
async fn a_result_keeps_to_its_rows_and_one_that_does_not_leaves_nothing() {
    let test = TestLakehouse::with(Limits { query_rows: Some(10_000), ..Limits::default() }).await;
    test.table("silver.many", MANY).await;
    let twice = "SELECT n FROM silver.many UNION ALL SELECT n FROM silver.many";
    for dialect in [Dialect::Spark, Dialect::Trino] {
        let written = test.run(dialect, twice, write("gold.twice", WriteMode::Replace, &[])).await;
        match written {
            Err(Error::InvalidInput { message, .. }) => {
                assert!(message.contains("10000 rows") && message.contains("limits.query_rows"), "{message}");
            }
            other => panic!("{dialect:?}: {other:?}"),
        }
    }
    let missing = test.lakehouse.describe(&TableName::new("gold", "twice")).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
    // Rows that are counted or looked at are none that are written.
    assert_eq!(test.value(Dialect::Trino, &format!("SELECT count(*) FROM ({twice}) t")).await, "20000");
    assert_eq!(test.table("gold.again", "SELECT n FROM silver.many").await.rows, 10_000);
}

#[tokio::test]
async fn a_sort_that_does_not_fit_is_spilled() {
    let test = TestLakehouse::with(Limits { query_memory_bytes: 24 << 20, ..Limits::default() }).await;
    test.table("silver.many", MANY).await;
    let sorted = "SELECT lpad(CAST((a.n * 7919 + b.n) % 999983 AS varchar), 60, 'x') AS k
                  FROM silver.many a, (SELECT * FROM silver.many LIMIT 80) b ORDER BY 1";
    let written = test.run(Dialect::Trino, sorted, write("gold.sorted", WriteMode::Replace, &[])).await.unwrap();
    assert_eq!(written.rows, 800_000);
}

#[tokio::test]
async fn dropping_the_future_ends_the_statement_and_leaves_nothing() {
    let test = TestLakehouse::new().await;
    test.table("silver.many", MANY).await;
    let (progress, told) = watch::channel(Progress::default());
    let run = test.lakehouse.run(
        "key",
        statement(Dialect::Trino, ENDLESS),
        write("gold.never", WriteMode::Replace, &[]),
        progress,
    );
    assert!(tokio::time::timeout(Duration::from_millis(700), run).await.is_err());
    // The statement's own end of the channel goes with it.
    let began = Instant::now();
    while told.has_changed().is_ok() {
        assert!(began.elapsed() < Duration::from_secs(1), "the statement is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let missing = test.lakehouse.describe(&TableName::new("gold", "never")).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
}

#[tokio::test]
async fn progress_is_told_while_a_statement_runs() {
    let test = TestLakehouse::with(Limits { query_seconds: 2, ..Limits::default() }).await;
    test.table("silver.many", MANY).await;
    let (progress, mut told) = watch::channel(Progress::default());
    let statement = statement(Dialect::Trino, ENDLESS);
    let run = test.lakehouse.run("key", statement, write("gold.never", WriteMode::Replace, &[]), progress);
    let watching = tokio::spawn(async move {
        while told.changed().await.is_ok() {
            if told.borrow().message.contains("rows read") {
                return true;
            }
        }
        false
    });
    assert!(run.await.is_err());
    assert!(watching.await.unwrap());
}

#[tokio::test]
async fn heavy_statements_do_not_hold_up_light_work() {
    let test = TestLakehouse::with(Limits { query_seconds: 3, ..Limits::default() }).await;
    test.table("silver.many", MANY).await;
    let mut heavy = Vec::new();
    for _ in 0..10 {
        let lakehouse = std::sync::Arc::clone(&test.lakehouse);
        heavy.push(tokio::spawn(async move { lakehouse.query(&statement(Dialect::Trino, ENDLESS), 1).await }));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let began = Instant::now();
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        slowest = slowest.max(began.elapsed());
    }
    for run in heavy {
        run.abort();
    }
    assert!(slowest < Duration::from_millis(250), "{slowest:?}");
}
