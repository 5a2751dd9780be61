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
