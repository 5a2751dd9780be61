//! Lists as rows, lambdas over columns, moments from parts.

use asgard_contract::lakehouse::Dialect::Spark;

use super::TestLakehouse;

const TABLE: &str = "SELECT 1 AS id, array[10, 20] AS l UNION ALL SELECT 2, CAST(ARRAY[] AS ARRAY(integer)) UNION ALL \
                     SELECT 3, NULL UNION ALL SELECT 4, array[30, NULL]";

#[tokio::test]
async fn lists_become_rows_beside_the_rows_that_they_are_of() {
    let test = TestLakehouse::new().await;
    test.table("bronze.t", TABLE).await;
    for (sql, expected) in [
        (
            "SELECT t.id, v.x FROM bronze.t LATERAL VIEW explode(l) v AS x ORDER BY id, x",
            vec!["1 | 10", "1 | 20", "4 | NULL", "4 | 30"],
        ),
        (
            "SELECT a.id, x + 1 FROM bronze.t a LATERAL VIEW OUTER explode(a.l) v AS x WHERE x IS NULL OR x < 15 ORDER BY id, x",
            vec!["1 | 11", "2 | NULL", "3 | NULL", "4 | NULL"],
        ),
        (
            "SELECT id, p, x FROM bronze.t LATERAL VIEW posexplode(l) v AS p, x ORDER BY id, p",
            vec!["1 | 0 | 10", "1 | 1 | 20", "4 | 0 | 30", "4 | 1 | NULL"],
        ),
        (
            "SELECT x, y FROM (SELECT 1 AS one) s LATERAL VIEW explode(array(1, 2)) a AS x LATERAL VIEW explode(array(x, x * 10)) b AS y \
             ORDER BY x, y",
            vec!["1 | 1", "1 | 10", "2 | 2", "2 | 20"],
        ),
        ("SELECT k, v FROM (SELECT map('a', 1) AS m) s LATERAL VIEW explode(m) e AS k, v", vec!["a | 1"]),
        ("SELECT id, explode(l) FROM bronze.t ORDER BY id, col LIMIT 1", vec!["1 | 10"]),
        ("SELECT sum(id) FROM range(1, 5)", vec!["10"]),
        (
            "SELECT id, transform(l, x -> x * id) AS y FROM bronze.t WHERE id IN (1, 3, 4) ORDER BY id",
            vec!["1 | [10, 20]", "3 | NULL", "4 | [120, NULL]"],
        ),
        ("SELECT id, filter(l, x -> x > 10) AS y FROM bronze.t WHERE id < 3 ORDER BY id", vec!["1 | [20]", "2 | []"]),
        ("SELECT transform(array(array(1, 2), array(3)), l -> aggregate(l, 0, (a, x) -> a + x)) AS y", vec!["[3, 3]"]),
    ] {
        assert_eq!(test.rows(Spark, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn moments_are_made_of_their_parts_or_refused() {
    let test = TestLakehouse::new().await;
    for (sql, expected) in [
        ("SELECT make_date(2024, 2, 29)", "2024-02-29"),
        ("SELECT CAST(make_timestamp(2019, 6, 30, 23, 59, 60) AS STRING)", "2019-07-01 00:00:00"),
        ("SELECT try_make_timestamp(2019, 6, 31, 0, 0, 0)", "NULL"),
        ("SELECT CAST(make_timestamp_ntz(DATE'2014-12-28', TIME'6:30:45.887') AS STRING)", "2014-12-28 06:30:45.887"),
        (
            "SELECT EXTRACT(SECOND FROM TIMESTAMP'2024-01-01 00:00:59.5'), date_part('doy', DATE'2024-12-31')",
            "59.500000 | 366",
        ),
        ("SELECT decode(NULL, 1, 'a', NULL, 'b', 'c'), 1 << 4, ~ 5, dayname(DATE'2024-02-29')", "b | 16 | -6 | Thu"),
        (r"SELECT regexp_extract('a12', r'(\d+)', 1), 'a%b' LIKE 'a/%_' ESCAPE '/'", "12 | true"),
    ] {
        assert_eq!(test.value(Spark, sql).await, expected, "{sql}");
    }
    assert!(test.wrong(Spark, "SELECT make_date(2023, 2, 29)").await.contains("2023-02-29"));
    assert!(test.wrong(Spark, "SELECT make_timestamp(2024, 13, 1, 0, 0, 0)").await.contains("no moment"));
}

#[tokio::test]
async fn generators_stand_behind_joins_and_make_a_column_for_each_field() {
    let test = TestLakehouse::new().await;
    test.table("bronze.t", TABLE).await;
    test.table("bronze.u", "SELECT 1 AS id, 'a' AS name UNION ALL SELECT 4, 'b'").await;
    for (sql, expected) in [
        (
            "SELECT u.name, v.x FROM bronze.t t JOIN bronze.u u ON t.id = u.id LATERAL VIEW explode(t.l) v AS x ORDER BY name, x",
            vec!["a | 10", "a | 20", "b | NULL", "b | 30"],
        ),
        ("SELECT k, v FROM (SELECT map('a', 1) AS m) s LATERAL VIEW explode(m) e AS k, v", vec!["a | 1"]),
        ("SELECT * FROM (SELECT map('a', 1) AS m) s LATERAL VIEW posexplode(m) e", vec!["{a: 1} | 0 | a | 1"]),
        ("SELECT inline(array(struct(1, 'a'), struct(2, 'b')))", vec!["1 | a", "2 | b"]),
        (
            "SELECT id, inline(array(named_struct('x', id, 'y', id * 2))), 'z' AS z FROM bronze.u ORDER BY id",
            vec!["1 | 1 | 2 | z", "4 | 4 | 8 | z"],
        ),
        ("SELECT id, x FROM bronze.t, LATERAL explode(l) AS e(x) WHERE x > 15 ORDER BY id", vec!["1 | 20", "4 | 30"]),
        (
            "SELECT v.s.y FROM (SELECT array(named_struct('x', 1, 'y', 2)) AS l) t LATERAL VIEW explode(l) v AS s",
            vec!["2"],
        ),
        ("SELECT * FROM explode(array(1, 2)) AS e(x) ORDER BY x DESC", vec!["2", "1"]),
        ("SELECT id, y FROM bronze.u, LATERAL (SELECT id * 10 AS y) ORDER BY id", vec!["1 | 10", "4 | 40"]),
    ] {
        assert_eq!(test.rows(Spark, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn rows_become_columns_and_columns_rows() {
    let test = TestLakehouse::new().await;
    test.table(
        "bronze.sales",
        "SELECT * FROM (VALUES (2023, 'q1', 10), (2023, 'q2', 20), (2024, 'q1', 30), (2024, 'q1', 5)) AS t (year, quarter, amount)",
    )
    .await;
    for (sql, expected) in [
        (
            "SELECT * FROM bronze.sales PIVOT (sum(amount) FOR quarter IN ('q1', 'q2' AS second)) ORDER BY year",
            vec!["2023 | 10 | 20", "2024 | 35 | NULL"],
        ),
        (
            "SELECT year, q1_total, q1_n, q2_n FROM bronze.sales \
             PIVOT (sum(amount) AS total, count(*) AS n FOR quarter IN ('q1', 'q2')) ORDER BY year",
            vec!["2023 | 10 | 1 | 1", "2024 | 35 | 2 | NULL"],
        ),
        (
            "SELECT * FROM (SELECT year, quarter, amount FROM bronze.sales) \
             PIVOT (max(amount) FOR (year, quarter) IN ((2023, 'q1') AS a, (2024, 'q2') AS b))",
            vec!["10 | NULL"],
        ),
        (
            "SELECT * FROM (SELECT * FROM VALUES (1, 10, NULL), (2, 30, 40) AS t (id, a, b)) UNPIVOT (v FOR name IN (a, b AS second)) ORDER BY id, name",
            vec!["1 | a | 10", "2 | a | 30", "2 | second | 40"],
        ),
        (
            "SELECT * FROM (SELECT 1 AS id, 10 AS a, CAST(NULL AS INT) AS b) UNPIVOT INCLUDE NULLS (v FOR name IN (a, b)) ORDER BY name",
            vec!["1 | a | 10", "1 | b | NULL"],
        ),
        (
            "SELECT * FROM (SELECT 1 AS id, 10 AS a1, 11 AS a2, 20 AS b1, 21 AS b2) \
             UNPIVOT ((x, y) FOR name IN ((a1, a2) AS a, (b1, b2))) ORDER BY name",
            vec!["1 | a | 10 | 11", "1 | b1_b2 | 20 | 21"],
        ),
    ] {
        assert_eq!(test.rows(Spark, sql).await, expected, "{sql}");
    }
    let wrong = test.wrong(Spark, "SELECT * FROM bronze.sales PIVOT (amount FOR quarter IN ('q1'))").await;
    assert!(!wrong.is_empty());
}

#[tokio::test]
async fn intervals_have_a_length_and_parts() {
    let test = TestLakehouse::new().await;
    for (sql, expected) in [
        ("SELECT INTERVAL '24' HOUR = INTERVAL '1' DAY, INTERVAL 25 hours > INTERVAL 1 day", "true | true"),
        (
            "SELECT extract(days FROM interval 5 days 3 hours 7 minutes), extract(HOUR FROM interval 5 days 3 hours 7 minutes)",
            "5 | 3",
        ),
        ("SELECT extract(MONTH FROM INTERVAL '2021-11' YEAR TO MONTH)", "11"),
        ("SELECT date_part('seconds', interval 5 hours 30 seconds 1 milliseconds 1 microseconds)", "30.001001"),
        ("SELECT date_part('MINUTE', INTERVAL '123 23:55:59.002001' DAY TO SECOND)", "55"),
        ("SELECT DATE'2024-03-01' - DATE'2024-01-01' > INTERVAL '59' DAY", "true"),
        ("SELECT extract(DAY FROM TIMESTAMP'2024-03-01 12:00:00' - TIMESTAMP'2024-01-01 00:00:00')", "60"),
        ("SELECT TIMESTAMP'2024-03-01 12:00:00' - INTERVAL 1 day 2 hours = TIMESTAMP'2024-02-29 10:00:00'", "true"),
        ("SELECT INTERVAL '1' DAY BETWEEN INTERVAL '2' HOUR AND INTERVAL '25' HOUR", "true"),
    ] {
        assert_eq!(test.value(Spark, sql).await, expected, "{sql}");
    }
    assert!(
        test.wrong(Spark, "SELECT INTERVAL '1' MONTH > INTERVAL '30' DAY").await.contains("a month has no one length")
    );
}
