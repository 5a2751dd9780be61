//! Trino's functions by family. Values are Trino 476's own, from `tests/parity`, or said by its documentation.

use asgard_contract::lakehouse::Dialect::{Spark, Trino};

use super::TestLakehouse;

#[tokio::test]
async fn columns_and_nulls_are_as_literals_are() {
    let test = TestLakehouse::new().await;
    test.table(
        "silver.t",
        "SELECT * FROM (VALUES (1, '{\"a\": [1, 2.50], \"é\": null}', 'https://e.com/p?a=1', 6), (2, NULL, NULL, NULL), (3, 'x', 'x y', 3)) AS t (id, j, u, n)",
    )
    .await;
    let cases = [
        ("json_extract_scalar(j, '$.a[1]')", ["2.50", "NULL", "NULL"]),
        ("json_format(json_extract(j, '$.a'))", ["[1,2.5]", "NULL", "NULL"]),
        ("json_array_length(json_extract(j, '$.a'))", ["2", "NULL", "NULL"]),
        ("json_exists(j, 'lax $.b')", ["false", "NULL", "false"]),
        ("CAST(json_extract(j, '$.a') AS array(double))", ["[1.0, 2.5]", "NULL", "NULL"]),
        ("json_format(try(json_parse(j)))", ["{\"a\":[1,2.5],\"é\":null}", "NULL", "NULL"]),
        ("url_extract_host(u)", ["e.com", "NULL", "NULL"]),
        ("url_extract_parameter(u, 'a')", ["1", "NULL", "NULL"]),
        ("bitwise_and(n, 2)", ["2", "NULL", "2"]),
        ("format('%03d', n)", ["006", "null", "003"]),
        ("width_bucket(n, 0, 10, 5)", ["4", "NULL", "2"]),
        ("try(from_base(u, 10))", ["NULL", "NULL", "NULL"]),
    ];
    for (expression, expected) in cases {
        let rows = test.rows(Trino, &format!("SELECT {expression} FROM silver.t ORDER BY id")).await;
        assert_eq!(rows, expected, "{expression}");
    }
}

#[tokio::test]
async fn groups_have_trino_s_aggregates_with_their_types() {
    let test = TestLakehouse::new().await;
    let rows = "FROM (VALUES ('a', 1), ('a', 2), ('a', 7), ('a', 9), ('b', NULL)) AS t (k, x) GROUP BY k ORDER BY k";
    let cases = [
        ("approx_percentile(x, 0.33), approx_percentile(x, ARRAY[0.0, 1.0])", ["2 | [1, 9]", "NULL | [NULL, NULL]"]),
        ("sum(x), sum(CAST(x AS double)), avg(CAST(x AS real))", ["19 | 19.0 | 4.75", "NULL | NULL | NULL"]),
        ("skewness(x) IS NULL, max(x, 2), min_by(k, x, 3)", ["false | [9, 7] | [a, a, a]", "true | NULL | NULL"]),
        ("bitwise_or_agg(x), approx_distinct(x)", ["15 | 4", "NULL | 0"]),
    ];
    for (expression, expected) in cases {
        assert_eq!(test.rows(Trino, &format!("SELECT {expression} {rows}")).await, expected, "{expression}");
    }
    let types = test
        .types(
            Trino,
            &format!(
                "SELECT sum(CAST(x AS real)) AS s, approx_distinct(x) AS d, approx_percentile(x, 0.5) AS p {rows}"
            ),
        )
        .await;
    assert_eq!(types, ["s float", "d long", "p long"]);
}

#[tokio::test]
async fn moments_keep_their_digits_and_zones() {
    let test = TestLakehouse::new().await;
    let cases = [
        ("CAST(TIMESTAMP '2024-05-01 10:00:00' AS varchar)", "2024-05-01 10:00:00"),
        ("CAST(TIMESTAMP '2024-05-01 10:00:00.000' AS varchar)", "2024-05-01 10:00:00.000"),
        ("CAST(TIMESTAMP '2024-05-01 10:00:00.1 Europe/Oslo' AS varchar)", "2024-05-01 10:00:00.100 Europe/Oslo"),
        ("hour(TIMESTAMP '2024-05-01 10:00:00 +02:00')", "10"),
        ("TIMESTAMP '2024-05-01 10:00:00 +02:00' = TIMESTAMP '2024-05-01 08:00:00 UTC'", "true"),
        ("to_iso8601(TIMESTAMP '2024-05-01 10:00:00 +05:30')", "2024-05-01T10:00:00+05:30"),
        ("to_milliseconds(INTERVAL '1' DAY * 1.5e0)", "129600000"),
        ("DATE '2024-01-31' + INTERVAL '0-1' YEAR TO MONTH", "2024-02-29"),
    ];
    for (expression, expected) in cases {
        assert_eq!(test.value(Trino, &format!("SELECT {expression}")).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_words() {
    let test = TestLakehouse::new().await;
    let cases = [
        ("SELECT json_parse('1')", "is JSON, which no table keeps"),
        ("SELECT json_extract_scalar('{}', '$..a')", "is no JSON path that is supported"),
        ("SELECT md5('a')", "write to_utf8"),
        ("SELECT * FROM (VALUES 1) AS t (x) TABLESAMPLE BERNOULLI (10)", "TABLESAMPLE"),
        ("SELECT CAST(1 AS bigin)", "did you mean `bigint`?"),
        ("SELECT json_extract_scalar(NULL, '$.a')", "CAST(NULL AS varchar)"),
        ("SELECT from_hex('0')", "hexadecimal digits"),
        ("SELECT 1 FETCH FIRST 10 PERCENT ROWS ONLY", "no PERCENT"),
        ("SELECT max(x, 2) OVER () FROM (VALUES 1) AS t (x)", "not supported as a window function"),
    ];
    for (sql, expected) in cases {
        let message = test.wrong(Trino, sql).await;
        assert!(message.contains(expected), "{sql}\n{message}");
    }
}

#[tokio::test]
async fn a_plan_is_told_and_nothing_is_run() {
    let test = TestLakehouse::new().await;
    test.table("silver.t", "SELECT 1 AS id").await;
    for (dialect, column) in [(Trino, "Query Plan"), (Spark, "plan")] {
        let query = |sql: &str| crate::Query {
            statement: super::statement(dialect, sql),
            as_of: None,
            offset: 0,
            max_rows: 10,
            time: None,
            memory_bytes: None,
        };
        let answer =
            test.lakehouse.ask(&query("EXPLAIN SELECT id / (id - 1) FROM silver.t WHERE id > 0")).await.unwrap();
        assert_eq!(answer.columns[0].name, column);
        let text = super::shown(&answer.rows).join("\n");
        assert!(text.contains("silver.t, snapshot") && text.contains("TableScan"), "{text}");
        let alone = super::statement(dialect, "SELECT id / (id - 1) AS x FROM silver.t WHERE id > 0");
        let text = test.lakehouse.explain(&alone).await.unwrap();
        assert!(text.contains("silver.t, snapshot") && text.contains("TableScan"), "{text}");
        let error = test.lakehouse.ask(&query("EXPLAIN\nSELECT ix FROM silver.t")).await.unwrap_err();
        assert!(error.to_string().contains("line 2, column 8"), "{error}");
    }
}

#[tokio::test]
async fn rows_without_names_maps_of_groups_and_time_between_moments() {
    let test = TestLakehouse::new().await;
    for (sql, expected) in [
        (
            "SELECT map_agg(k, v), multimap_agg(k, v), histogram(k) FROM (VALUES ('a', 1), ('b', 2), ('b', 3)) AS t (k, v)",
            "{a: 1, b: 2} | {a: [1], b: [2, 3]} | {a: 1, b: 2}",
        ),
        (
            "SELECT map_agg(k, 1), map_agg(CAST(NULL AS varchar), 1) FROM (VALUES 'a', 'b') AS t (k)",
            "{a: 1, b: 1} | NULL",
        ),
        ("SELECT a, b FROM UNNEST(zip(ARRAY[1, 2], ARRAY['x'])) AS t (a, b) WHERE b IS NULL", "2 | NULL"),
        ("SELECT k, v FROM UNNEST(map_entries(MAP(ARRAY['a'], ARRAY[1]))) AS t (k, v)", "a | 1"),
        ("SELECT a, b FROM UNNEST(ARRAY[ROW(1, 'a')]) AS t (a, b)", "1 | a"),
        ("SELECT hour(TIME '12:34:56'), minute(TIME '12:34:56'), second(TIME '12:34:56.789')", "12 | 34 | 56"),
        (
            "SELECT to_milliseconds(TIMESTAMP '2024-03-01 00:00:00.5' - TIMESTAMP '2024-01-01 00:00:00'), day(DATE '2024-03-01' - DATE '2024-01-01')",
            "5184000500 | 60",
        ),
        (
            "SELECT DATE '2024-03-01' - DATE '2024-01-01' > INTERVAL '1' DAY, INTERVAL '48' HOUR = INTERVAL '2' DAY",
            "true | true",
        ),
        (
            "SELECT listagg(x, ',') WITHIN GROUP (ORDER BY x DESC), listagg(x, '') WITHIN GROUP (ORDER BY x) FROM (VALUES 'a', 'b', NULL) AS t (x)",
            "b,a | ab",
        ),
    ] {
        assert_eq!(test.value(Trino, sql).await, expected, "{sql}");
    }
}
