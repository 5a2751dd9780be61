//! What is wrong with a statement is said in words, with the place.

use asgard_contract::lakehouse::{Dialect, Output};
use asgard_contract::{Error, TableName};

use super::TestLakehouse;

#[tokio::test]
async fn a_message_has_the_place_and_the_nearest_name() {
    let test = TestLakehouse::new().await;
    test.table("silver.orders", "SELECT 1 AS order_id, 'x' AS operator_id, DATE '2024-01-01' AS day").await;
    let cases = [
        (Dialect::Trino, "SELECT a,\n FROM FROM b", "line 2, column 7: the SQL does not parse"),
        (Dialect::Trino, "SELECT 'a", "line 1, column 8: the SQL does not parse"),
        (
            Dialect::Trino,
            "SELECT order_id,\n  oprator_id FROM silver.orders",
            "line 2, column 3: there is no column `oprator_id`: did you mean `operator_id`?",
        ),
        (
            Dialect::Spark,
            "SELECT o.oder_id FROM silver.orders o",
            "line 1, column 8: there is no column `o.oder_id`: did you mean `order_id`?",
        ),
        (Dialect::Spark, "SELECT 1 WHERE\n x > 1", "line 2, column 2: there is no column `x`"),
        (Dialect::Trino, "SELECT *\nFROM silver.ordrs", "line 2, column 6: "),
        (Dialect::Trino, "SELECT * FROM orders", "line 1, column 15: there is no `orders` here: write `silver.orders`"),
        (Dialect::Trino, "SELECT * FROM hive.silver.orders", "line 1, column 15: there is no catalog `hive`"),
        (
            Dialect::Trino,
            "SELECT 1,\n  datedif('day', day, day) FROM silver.orders",
            "line 2, column 3: there is no function `datedif` in Trino's SQL, as far as it is supported here: did you mean `datediff`?",
        ),
        (Dialect::Spark, "SELECT regexp_lik('a', 'b')", "did you mean `regexp_like`?"),
        (Dialect::Trino, "SELECT nvl(1, 2)", "there is no function `nvl` in Trino's SQL"),
        (
            Dialect::Trino,
            "SELECT date_diff('day', day) FROM silver.orders",
            "`date_diff` takes (text, a timestamp, a timestamp)",
        ),
        (
            Dialect::Trino,
            "SELECT operator_id, count(*) FROM silver.orders",
            "`operator_id` is neither in GROUP BY nor inside of an aggregate",
        ),
        (Dialect::Trino, "SELECT * FROM silver.orders WHERE day > '2024-01-01'", "write DATE '2024-01-31'"),
        (Dialect::Trino, "SELECT operator_id + 1 FROM silver.orders", "`+` is not for text and int"),
        (Dialect::Trino, "SELECT CAST('abc' AS integer)", "the text 'abc' cannot be cast to int"),
        (Dialect::Trino, "SELECT 1 / (order_id - 1) FROM silver.orders", "division by zero"),
        (Dialect::Spark, "SELECT 1 / (order_id - 1) FROM silver.orders", "division by zero"),
        (Dialect::Trino, "SELECT day AS a, order_id AS A FROM silver.orders", "both called `a`"),
        (Dialect::Spark, "SELECT day, day FROM silver.orders", "two columns are both called `day`"),
        (Dialect::Trino, "SELECT day, day FROM silver.orders", "two columns are both called `day`"),
        // A table's column goes before one of the select list, so that these are two of the result.
        (
            Dialect::Spark,
            "SELECT 9 AS order_id, order_id FROM silver.orders",
            "line 1, column 13: two columns are both called `order_id`: name one of them differently",
        ),
        (
            Dialect::Trino,
            "SELECT 9 AS order_id, order_id FROM silver.orders",
            "two columns are both called `order_id`: name one of them differently",
        ),
        (
            Dialect::Spark,
            "SELECT 9 AS order_id, order_id + 1 AS more, a.order_id FROM silver.orders a",
            "two columns are both called `order_id`",
        ),
        (Dialect::Trino, "SELECT order_id FROM silver.orders a, silver.orders b", "in more than one table"),
        (Dialect::Trino, "SELECT max(x -> x + 1)", "takes no lambda"),
        (Dialect::Trino, "SELECT CAST(1 AS strng)", "`strng` is no type of Trino"),
        (
            Dialect::Trino,
            "SELECT\n CAST(1 AS varchr)",
            "line 2, column 12: `varchr` is no type of Trino, as far as it is supported here: did you mean `varchar`?",
        ),
        (Dialect::Spark, "SELECT CAST(1 AS strng)", "did you mean `string`?"),
        (
            Dialect::Trino,
            "SELECT *\n FROM silver.orders MATCH_RECOGNIZE (
                PARTITION BY operator_id ORDER BY order_id MEASURES A.order_id AS started ONE ROW PER MATCH
                AFTER MATCH SKIP PAST LAST ROW PATTERN (A B+) DEFINE B AS B.order_id > 1)",
            "line 2, column 7: MATCH_RECOGNIZE is not supported",
        ),
        (
            Dialect::Trino,
            "SELECT * FROM silver.orders PIVOT (count(*) FOR operator_id IN ('x'))",
            "line 1, column 15: Trino has no PIVOT",
        ),
    ];
    for (dialect, sql, expected) in cases {
        let message = test.wrong(dialect, sql).await;
        assert!(message.contains(expected), "{sql}\nexpected: {expected}\nfound:    {message}");
    }
}

#[tokio::test]
async fn only_queries_get_through() {
    let test = TestLakehouse::new().await;
    test.table("silver.orders", "SELECT 1 AS order_id").await;
    for sql in [
        "",
        "DROP TABLE silver.orders",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE silver.orders",
        "INSERT INTO silver.orders SELECT 2",
        "CREATE TABLE a AS SELECT 1",
        "CREATE VIEW a AS SELECT 1; SELECT * FROM a",
        "WITH a AS (SELECT 1) INSERT INTO silver.orders SELECT * FROM a",
        "SELECT 1 INTO b",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM silver.orders FOR UPDATE",
        "COPY (SELECT 1) TO '/tmp/x.parquet'",
        "SET a = 1",
        "EXPLAIN SELECT 1",
    ] {
        for dialect in [Dialect::Spark, Dialect::Trino] {
            let message = test.wrong(dialect, sql).await;
            assert!(!message.is_empty(), "{sql}");
        }
    }
    assert_eq!(test.value(Dialect::Trino, "SELECT 'drop table x' -- DELETE").await, "drop table x");
}

#[tokio::test]
async fn a_view_that_is_wrong_is_named() {
    let test = TestLakehouse::new().await;
    test.table("silver.orders", "SELECT 1 AS order_id").await;
    let view = Output::View(TableName::new("gold", "v"));
    test.run(Dialect::Trino, "SELECT order_id AS x FROM silver.orders", view).await.unwrap();
    test.table("silver.orders", "SELECT 1 AS id").await;
    let message = test.wrong(Dialect::Trino, "SELECT * FROM gold.v").await;
    assert!(message.starts_with("the view `gold.v` cannot be read"), "{message}");
    let itself = test.run(Dialect::Trino, "SELECT * FROM gold.w", Output::View(TableName::new("gold", "w"))).await;
    assert!(matches!(itself, Err(Error::InvalidInput { .. })), "{itself:?}");
}

#[tokio::test]
async fn a_statement_that_is_too_large_is_refused_before_it_costs_anything() {
    let test = TestLakehouse::new().await;
    let chain = vec!["1"; 6000].join(" + ");
    assert!(test.wrong(Dialect::Trino, &format!("SELECT {chain}")).await.contains("operators"));
    let deep = format!("SELECT {}1{}", "(".repeat(300), ")".repeat(300));
    assert!(test.wrong(Dialect::Trino, &deep).await.contains("nested"));
    let long = vec!["1"; 500].join(" + ");
    assert_eq!(test.value(Dialect::Trino, &format!("SELECT {long}")).await, "500");
}

#[test]
fn a_text_is_judged_without_a_lakehouse() {
    let views = r"CREATE TEMPORARY VIEW v AS SELECT 'it\'s' AS a, 2.5D AS b; SELECT * FROM v";
    assert!(crate::check_statement(Dialect::Spark, views).is_ok());
    let error = crate::check_statement(Dialect::Trino, "SELECT 1;\nSELECT 2").unwrap_err();
    assert!(error.to_string().contains("expected exactly one SELECT"), "{error}");
    assert!(crate::check_statement(Dialect::Trino, "WITH a AS (SELECT 1 AS x) SELECT * FROM a").is_ok());
    assert!(crate::check_statement(Dialect::Trino, "DROP TABLE a").is_err());
}

#[tokio::test]
async fn a_sum_that_is_no_bigint_is_an_error_and_one_that_was_too_large_on_the_way_is_right() {
    let test = TestLakehouse::new().await;
    for dialect in [Dialect::Spark, Dialect::Trino] {
        let of = |rows: &str, rest: &str| {
            format!("SELECT {rest} FROM (SELECT k, CAST(v AS BIGINT) AS v FROM (VALUES {rows}) AS t (k, v)) AS u")
        };
        let largest = "('a', 9223372036854775807)";
        let over = format!("{largest}, ('a', 1)");
        for rest in ["sum(v) AS s", "k, sum(v) AS s", "sum(v) OVER (ORDER BY v ROWS UNBOUNDED PRECEDING) AS s"] {
            let grouped = if rest.starts_with('k') { " GROUP BY k" } else { "" };
            let error = test.wrong(dialect, &format!("{}{grouped}", of(&over, rest))).await;
            assert!(error.contains("overflow"), "{dialect:?} {rest}: {error}");
            let back = format!("{largest}, ('a', 1), ('a', -1)");
            if !rest.contains("OVER") {
                let rows = test.rows(dialect, &format!("{}{grouped}", of(&back, rest))).await;
                assert!(rows[0].ends_with("9223372036854775807"), "{dialect:?} {rest}: {rows:?}");
            }
        }
        let moving = of(
            "('a', 1), ('a', 2), ('a', 4)",
            "sum(v) OVER (ORDER BY v ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s",
        );
        assert_eq!(test.rows(dialect, &format!("SELECT s FROM ({moving}) AS w ORDER BY s")).await, ["1", "3", "6"]);
        assert_eq!(test.value(dialect, &of("('a', 1), ('a', 1), ('a', 5)", "sum(DISTINCT v)")).await, "6");
        assert_eq!(test.types(dialect, &of("('a', 1)", "sum(v) AS s")).await, ["s long"]);
    }
}
