//! What Trino's SQL means.

use asgard_contract::lakehouse::Dialect::{Spark, Trino};

use super::TestLakehouse;

#[tokio::test]
async fn expressions_have_trino_s_values() {
    let test = TestLakehouse::new().await;
    let cases = [
        // Arithmetic.
        ("7 / 2, -7 / 2, 7 % 3", "3 | -3 | 1"),
        ("7 / 2e0, 1e0 / 0", "3.5 | inf"),
        ("3 * 1.0 / 4", "0.8"),
        ("CAST(1.00 AS decimal(10,2)) / CAST(3.00 AS decimal(10,2))", "0.33"),
        ("try(1 / 0), try(CAST('x' AS integer)), try_cast('7' AS bigint)", "NULL | NULL | 7"),
        (
            "round(2.5e0), round(2.345e0, 2), round(2.5), round(-2.45, 1), truncate(2.9e0)",
            "3.0 | 2.35 | 3 | -2.50 | 2.0",
        ),
        ("ceil(1.2e0), ceiling(1.2), floor(-1.2), abs(-3), sign(-4), mod(7, 3)", "2.0 | 2 | -2 | 3 | -1 | 1"),
        ("power(2, 3), sqrt(16), ln(1), log(2, 8), is_nan(nan_value)", "8.0 | 4.0 | 0.0 | 3.0 | true"),
        ("greatest(1, 3, 2), least(1, NULL), is_finite(1e0 / 0)", "3 | NULL | false"),
        ("DECIMAL '0.50' + DECIMAL '1.255', DECIMAL '-12' * 2", "1.755 | -24"),
        ("ARRAY[1, 2, 3][1], ARRAY[1, 2, 3][3]", "1 | 3"),
        // Casts.
        ("CAST(1.5e0 AS integer), CAST(2.5 AS bigint), CAST(-1.5e0 AS integer)", "2 | 3 | -2"),
        (
            "CAST(1.5e0 AS varchar), CAST(TIMESTAMP '2024-05-01 10:00:00' AS varchar), CAST('abcdef' AS varchar(3))",
            "1.5E0 | 2024-05-01 10:00:00 | abc",
        ),
        (
            "CAST('2024-05-01' AS date), CAST('2024-05-01 10:20:30.5' AS timestamp(6)), CAST('1' AS boolean)",
            "2024-05-01 | 2024-05-01T10:20:30.500 | true",
        ),
        // Text.
        (
            "trim(' \t x '), strpos('hello', 'l'), length('héllo'), substr('hello', 2, 3), substr('hello', -3)",
            "x | 3 | 5 | ell | llo",
        ),
        ("split('a,b', ','), split_part('a,b', ',', 2), replace('aXb', 'X'), reverse('abc')", "[a, b] | b | ab | cba"),
        ("concat('a', 'b'), 'a' || NULL, concat_ws('-', 'a', NULL, 'b'), lpad('7', 3, '0')", "ab | NULL | a-b | 007"),
        (
            "regexp_like('abc', 'b'), regexp_extract('a1', '([a-z])(\\d)', 2), regexp_replace('a1', '\\d'), regexp_extract('a', 'x')",
            "true | 1 | a | NULL",
        ),
        // Choice.
        ("coalesce(NULL, 1), nullif(1, 1), if(1 > 2, 'a'), CASE WHEN true THEN 1 ELSE 2 END", "1 | NULL | NULL | 1"),
        ("1 IS DISTINCT FROM NULL, 2 BETWEEN 1 AND 3, 'b' IN ('a', 'b')", "true | true | true"),
        // Dates and moments.
        (
            "date_diff('day', DATE '2024-05-01', DATE '2024-05-10'), DATEDIFF('day', TIMESTAMP '2024-05-01 12:00:00', TIMESTAMP '2024-05-03 11:00:00')",
            "9 | 1",
        ),
        (
            "date_diff('month', DATE '2024-01-31', DATE '2024-02-29'), date_diff('hour', TIMESTAMP '2024-05-01 00:00:00', TIMESTAMP '2024-05-01 05:59:00')",
            "1 | 5",
        ),
        (
            "date_add('month', 1, DATE '2024-01-31'), date_add('hour', 2, TIMESTAMP '2024-05-01 00:00:00')",
            "2024-02-29 | 2024-05-01T02:00:00",
        ),
        (
            "date_trunc('month', DATE '2024-05-17'), date_trunc('hour', TIMESTAMP '2024-05-17 10:30:00')",
            "2024-05-01 | 2024-05-17T10:00:00",
        ),
        (
            "year(DATE '2024-05-01'), day_of_week(DATE '2024-05-01'), week(DATE '2024-05-01'), EXTRACT(DOY FROM DATE '2024-05-01')",
            "2024 | 3 | 18 | 122",
        ),
        (
            "date_format(TIMESTAMP '2024-05-01 15:04:05', '%Y-%m-%d %h:%i %p'), date_parse('01/05/2024', '%d/%m/%Y')",
            "2024-05-01 03:04 PM | 2024-05-01T00:00:00",
        ),
        (
            "format_datetime(TIMESTAMP '2024-05-01 15:04:05', 'yyyy/MM/dd HH:mm'), to_unixtime(TIMESTAMP '1970-01-01 00:01:00')",
            "2024/05/01 15:04 | 60.0",
        ),
        (
            "DATE '2024-05-01' + INTERVAL '1' MONTH, TIMESTAMP '2024-05-01 10:00:00' - INTERVAL '90' MINUTE",
            "2024-06-01 | 2024-05-01T08:30:00",
        ),
        (
            "hour(at_timezone(TIMESTAMP '2024-05-01 10:00:00 UTC', 'Europe/Oslo')), hour(TIMESTAMP '2024-05-01 10:00:00' AT TIME ZONE 'Asia/Tokyo')",
            "12 | 19",
        ),
        (
            "to_unixtime(with_timezone(TIMESTAMP '1970-01-01 01:00:00', 'Europe/Oslo')), last_day_of_month(DATE '2024-02-01')",
            "0.0 | 2024-02-29",
        ),
        ("CURRENT_DATE >= DATE '2024-01-01', now() > TIMESTAMP '2024-01-01 00:00:00'", "true | true"),
        (
            "hour(at_timezone(TIMESTAMP '2024-05-01 10:00:00 Europe/Oslo', 'UTC')), TIMESTAMP '2024-05-01 10:00:00.123456'",
            "8 | 2024-05-01T10:00:00.123456",
        ),
        (
            "CAST('2024-05-01 10:00:00.1235' AS timestamp), try_cast('2024-05-01 10:00:00 UTC' AS timestamp)",
            "2024-05-01T10:00:00.124 | NULL",
        ),
        // Lists.
        (
            "cardinality(ARRAY[1, 2]), element_at(ARRAY[1, 2], 3), element_at(ARRAY[1, 2], -1), contains(ARRAY['a'], 'a')",
            "2 | NULL | 2 | true",
        ),
    ];
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let sql = sql.replace("nan_value", "0e0 / 0e0");
        let statement = super::statement(Trino, &format!("SELECT {sql}"));
        match asgard_capabilities::lakehouse::Engine::query(&*test.lakehouse, &statement, 9).await {
            Ok(ipc) => {
                let found = super::shown(&ipc).join("\n");
                if found != expected {
                    wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
                }
            }
            Err(error) => wrong.push(format!("{sql}\n  expected {expected}\n  failed   {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_trino_refuses_is_refused() {
    let test = TestLakehouse::new().await;
    let cases = [
        ("SELECT 2147483647 + 1", "too large"),
        ("SELECT '1' = 1", "are not compared"),
        ("SELECT ARRAY[1, 2][3]", "no element 3 in a list of 2, counted from 1"),
        ("SELECT ARRAY[1, 2][0]", "no element 0"),
        ("SELECT 'a' || 1", "cast them to VARCHAR"),
        ("SELECT CASE WHEN 1 THEN 2 END", "a condition is true or false"),
        ("SELECT CASE WHEN true THEN 1 ELSE 'a' END", "of one type"),
        ("SELECT coalesce(1, 'a')", "of one type"),
        ("SELECT x FROM (VALUES 1) AS a (x) NATURAL FULL JOIN (VALUES 2) AS b (x)", "NATURAL is not supported beside"),
        ("SELECT DATE '2024-01-01' + INTERVAL '1' HOUR", "a date has no hours"),
        ("SELECT CAST(5 AS timestamp)", "from_unixtime"),
        ("SELECT date_diff('days', DATE '2024-01-01', DATE '2024-01-02')", "'days' is no unit of time"),
        ("SELECT unix_timestamp()", "there is no function `unix_timestamp`"),
        ("SELECT a FROM (VALUES (1)) AS t (a) QUALIFY row_number() OVER () = 1", ""),
        ("SELECT coalesce(try(coalesce(1 / 0, 2)), 1)", "TRY around `coalesce`"),
        ("SELECT max(CAST('x' AS char(3)))", "CHAR is not supported"),
    ];
    for (sql, expected) in cases {
        let message = test.wrong(Trino, sql).await;
        assert!(message.contains(expected), "{sql}: {message}");
    }
}

#[tokio::test]
async fn aggregates_windows_and_orders_are_trino_s() {
    let test = TestLakehouse::new().await;
    test.table(
        "silver.t",
        "SELECT * FROM (VALUES ('a', 1, 10), ('a', 2, NULL), ('b', 3, 30), ('b', 4, 40), (NULL, 5, 50)) AS t (g, n, x)",
    )
    .await;
    let cases: [(&str, &[&str]); 19] = [
        ("SELECT g, count(*), sum(n), avg(n) FROM silver.t GROUP BY 1 ORDER BY 1", &[
            "a | 2 | 3 | 1.5",
            "b | 2 | 7 | 3.5",
            "NULL | 1 | 5 | 5.0",
        ]),
        ("SELECT x FROM silver.t ORDER BY x DESC", &["50", "40", "30", "10", "NULL"]),
        ("SELECT x FROM (VALUES 3, NULL, 1) AS t (x) UNION ALL (VALUES 5) ORDER BY x", &["1", "3", "5", "NULL"]),
        ("SELECT max_by(n, x), count_if(n > 2), arbitrary(g) IS NOT NULL, bool_and(n > 0), approx_distinct(g) FROM silver.t", &[
            "5 | 3 | true | true | 2",
        ]),
        ("SELECT approx_percentile(n, 0.5), round(stddev(n), 3), listagg(g, ',') WITHIN GROUP (ORDER BY n) FROM silver.t", &[
            "3 | 1.581 | a,a,b,b",
        ]),
        ("SELECT avg(CAST(n AS decimal(10,2))) AS a, sum(CAST(n AS decimal(10,2))) AS s FROM silver.t WHERE n < 3", &["1.50 | 3.00"]),
        ("SELECT g, sum(n) FILTER (WHERE x IS NOT NULL) AS s FROM silver.t GROUP BY g HAVING count(*) >= 2 ORDER BY g", &["a | 1", "b | 7"]),
        ("SELECT n, rank() OVER (ORDER BY g) AS r, sum(n) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s
          FROM silver.t ORDER BY n LIMIT 3", &["1 | 1 | 1", "2 | 1 | 3", "3 | 3 | 5"]),
        ("SELECT t.n, u.v FROM silver.t t CROSS JOIN UNNEST(ARRAY[1, 2]) AS u (v) WHERE t.n = 1 ORDER BY 2", &["1 | 1", "1 | 2"]),
        ("WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 4) SELECT sum(n) FROM r", &["10"]),
        ("SELECT x FROM (VALUES 1, 1, 1, 2, NULL, NULL) AS t (x) EXCEPT ALL SELECT y FROM (VALUES 1, 3, NULL) AS u (y) ORDER BY 1", &[
            "1", "1", "2", "NULL",
        ]),
        ("SELECT x FROM (VALUES 1, 1, 1, 2, NULL) AS t (x) INTERSECT ALL SELECT y FROM (VALUES 1, 1, BIGINT '3', NULL, NULL) AS u (y) ORDER BY 1", &[
            "1", "1", "NULL",
        ]),
        ("SELECT g FROM silver.t EXCEPT ALL (SELECT g FROM silver.t WHERE n > 1 INTERSECT ALL SELECT g FROM silver.t) ORDER BY 1", &["a"]),
        ("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS a (x, l) FULL JOIN (VALUES (2, 'B'), (3, 'C')) AS b (x, r) USING (x) ORDER BY x", &[
            "1 | a | NULL", "2 | b | B", "3 | NULL | C",
        ]),
        ("SELECT x, r FROM (VALUES (1, 'a'), (2, 'b')) AS a (x, l) RIGHT JOIN (VALUES (2, 'B'), (3, 'C')) AS b (x, r) USING (x) WHERE X > 1 ORDER BY 1", &[
            "2 | B", "3 | C",
        ]),
        ("SELECT x, count(*) FROM (VALUES 1, 2) AS a (x) FULL JOIN (VALUES 2, 3) AS b (x) USING (x) FULL JOIN (VALUES 3, 4) AS c (x) USING (x) GROUP BY x ORDER BY 1", &[
            "1 | 1", "2 | 1", "3 | 1", "4 | 1",
        ]),
        ("SELECT g, silver.t.n, u.m FROM silver.t FULL JOIN (VALUES ('a', 7), ('z', 8)) AS u (g, m) USING (g) WHERE m IS NOT NULL ORDER BY 1, 2", &[
            "a | 1 | 7", "a | 2 | 7", "z | NULL | 8",
        ]),
        ("SELECT * FROM silver.t RIGHT JOIN (SELECT 'b' AS g, 3 AS n) AS u USING (g, n)", &["b | 3 | 30"]),
        ("SELECT g FROM silver.t EXCEPT SELECT g FROM silver.t WHERE n = 1 ORDER BY 1", &["b", "NULL"]),
    ];
    for (sql, expected) in cases {
        assert_eq!(test.rows(Trino, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn columns_that_joins_share_are_of_no_relation() {
    let test = TestLakehouse::new().await;
    test.table("silver.t", "SELECT 1 AS x, 2 AS y, ARRAY[5] AS l").await;
    test.table("gold.u", "SELECT 1 AS x, 3 AS z, ARRAY[6] AS l").await;
    const JOIN: &str = "FROM silver.t a JOIN gold.u b USING (x)";
    for (sql, place, name) in [
        (format!("SELECT a.x {JOIN}"), "line 1, column 8: ", "a.x"),
        (format!("SELECT 1 + B.X AS s {JOIN}"), "line 1, column 12: ", "b.x"),
        (format!("SELECT y {JOIN} WHERE a.x = 1"), "", "a.x"),
        (format!("SELECT x, count(*) {JOIN} GROUP BY x, a.x"), "", "a.x"),
        (format!("SELECT x {JOIN} GROUP BY x HAVING max(b.x) = 1"), "", "b.x"),
        (format!("SELECT x, y {JOIN} ORDER BY a.x"), "", "a.x"),
        (format!("SELECT y {JOIN} JOIN gold.u c ON c.x = a.x"), "", "a.x"),
        (format!("SELECT n {JOIN} CROSS JOIN UNNEST(ARRAY[a.x]) AS n (n)"), "", "a.x"),
        ("SELECT t.x FROM silver.t FULL JOIN gold.u USING (x)".to_owned(), "", "t.x"),
        ("SELECT gold.u.x FROM silver.t LEFT JOIN gold.u USING (x)".to_owned(), "", "gold.u.x"),
        ("SELECT a.l[1] AS l FROM silver.t a JOIN gold.u b USING (x, l)".to_owned(), "", "a.l"),
        ("SELECT n FROM (SELECT a.x AS n FROM silver.t a JOIN gold.u b USING (x)) AS i".to_owned(), "", "a.x"),
    ] {
        let message = test.wrong(Trino, &sql).await;
        let expected = format!("Column '{name}' cannot be resolved");
        assert!(message.starts_with(place) && message.contains(&expected), "{sql}: {message}");
    }
    for (sql, expected) in [
        ("SELECT x, a.y, b.z FROM silver.t a JOIN gold.u b USING (x) WHERE a.y = 2 ORDER BY b.z", "1 | 2 | 3"),
        ("SELECT a.x FROM silver.t a JOIN gold.u b ON a.x = b.x", "1"),
        ("SELECT a.y, c.x FROM silver.t a JOIN gold.u b USING (x) JOIN silver.t c ON c.y = a.y", "2 | 1"),
        ("SELECT x, (SELECT max(a.x) FROM gold.u a) AS m FROM silver.t a JOIN gold.u b USING (x)", "1 | 1"),
        ("SELECT c.x FROM silver.t a JOIN gold.u b USING (x), gold.u c", "1"),
    ] {
        assert_eq!(test.value(Trino, sql).await, expected, "{sql}");
    }
    assert_eq!(test.value(Spark, "SELECT a.x FROM silver.t a JOIN gold.u b USING (x)").await, "1");
}

#[tokio::test]
async fn columns_have_trino_s_types() {
    let test = TestLakehouse::new().await;
    let cases: [(&str, &[&str]); 2] = [
        (
            "SELECT 1 AS a, 1.50 AS b, 1e0 AS c, 1 / 2 AS d, count(*) AS e, row_number() OVER () AS f",
            &["a int", "b decimal(3,2)", "c double", "d int", "e long", "f long"],
        ),
        (
            "SELECT sum(CAST(1 AS decimal(10,2))) AS a, avg(CAST(1 AS decimal(10,2))) AS b, CURRENT_TIMESTAMP AS c, length('x') AS d",
            &["a decimal(38,2)", "b decimal(10,2)", "c timestamptz", "d long"],
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(test.types(Trino, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn moments_of_different_digits_lose_none_of_them() {
    let test = TestLakehouse::new().await;
    test.table("bronze.moments", "SELECT TIMESTAMP '2024-01-01 00:00:00.000250' AS at").await;
    test.table("bronze.ids", "SELECT 1 AS id").await;
    const COARSE: &str = "TIMESTAMP '2024-01-01 00:00:00'";
    for (sql, expected) in [
        ("SELECT count(*) FROM (VALUES $c, TIMESTAMP '2024-01-01 00:00:00.250') AS t (x) WHERE x > $c", "1"),
        ("SELECT count(*) FROM (VALUES CAST(TIMESTAMP '2024-01-01 00:00:00.9' AS TIMESTAMP(0)), $c) AS t (x)", "2"),
        (
            "SELECT CAST(max(x) AS varchar) FROM (VALUES $c, CAST(TIMESTAMP '2024-01-01 00:00:00.4' AS TIMESTAMP(0))) AS t (x)",
            "2024-01-01 00:00:00",
        ),
        ("SELECT count(*) FROM bronze.moments WHERE at = $c", "0"),
        ("SELECT count(*) FROM bronze.moments WHERE at > $c", "1"),
        ("SELECT count(*) FROM bronze.moments WHERE at IN ($c)", "0"),
        ("SELECT count(*) FROM bronze.moments WHERE at IN (SELECT $c FROM bronze.ids)", "0"),
        ("SELECT count(*) FROM bronze.moments WHERE at BETWEEN $c AND $c", "0"),
        ("SELECT count(*) FROM bronze.moments WHERE at <= ALL (SELECT $c FROM bronze.ids)", "0"),
        ("SELECT count(*) FROM bronze.moments JOIN (SELECT $c AS at FROM bronze.ids) AS u USING (at)", "0"),
        ("SELECT count(*) FROM (SELECT at FROM bronze.moments UNION SELECT $c FROM bronze.ids) AS t (x)", "2"),
        ("SELECT count(*) FROM (SELECT $c FROM bronze.ids INTERSECT SELECT at FROM bronze.moments) AS t (x)", "0"),
        (
            "SELECT CAST(CASE WHEN id = 2 THEN $c ELSE at END AS varchar) FROM bronze.moments, bronze.ids",
            "2024-01-01 00:00:00.000250",
        ),
        (
            "SELECT CAST(coalesce(CASE WHEN id = 2 THEN $c END, at) AS varchar) FROM bronze.moments, bronze.ids",
            "2024-01-01 00:00:00.000250",
        ),
        ("SELECT CAST(greatest($c, at) AS varchar) FROM bronze.moments", "2024-01-01 00:00:00.000250"),
        (
            "SELECT contains(ARRAY[$c], at), CAST(ARRAY[$c, at][2] AS varchar) FROM bronze.moments",
            "false | 2024-01-01 00:00:00.000250",
        ),
        ("SELECT count(*) FROM bronze.moments WHERE at > DATE '2024-01-01'", "1"),
        (
            "SELECT DATE '9999-01-01' > at, CAST(CAST(DATE '9999-01-01' AS timestamp(0)) AS varchar) FROM bronze.moments",
            "true | 9999-01-01 00:00:00",
        ),
    ] {
        let sql = sql.replace("$c", COARSE);
        assert_eq!(test.value(Trino, &sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn lists_of_a_table_become_rows() {
    let test = TestLakehouse::new().await;
    test.table(
        "bronze.t",
        "SELECT * FROM (VALUES (1, ARRAY[10, 20]), (2, CAST(ARRAY[] AS ARRAY(integer))), (3, NULL), (4, ARRAY[30])) AS t (id, list)",
    )
    .await;
    test.table("bronze.u", "SELECT 1 AS id, 'a' AS name UNION ALL SELECT 2, 'b'").await;
    for (sql, expected) in [
        (
            "SELECT id, x FROM bronze.t CROSS JOIN UNNEST(list) AS u (x) ORDER BY id, x",
            vec!["1 | 10", "1 | 20", "4 | 30"],
        ),
        ("SELECT id, x FROM bronze.t, UNNEST(list) AS u (x) WHERE x > 15 ORDER BY id", vec!["1 | 20", "4 | 30"]),
        (
            "SELECT id, x, n FROM bronze.t LEFT JOIN UNNEST(list) WITH ORDINALITY AS u (x, n) ON TRUE ORDER BY id, n",
            vec!["1 | 10 | 1", "1 | 20 | 2", "2 | NULL | NULL", "3 | NULL | NULL", "4 | 30 | 1"],
        ),
        (
            "SELECT name, x FROM bronze.t AS t JOIN bronze.u AS u ON t.id = u.id CROSS JOIN UNNEST(t.list) AS e (x) ORDER BY x",
            vec!["a | 10", "a | 20"],
        ),
        (
            "SELECT a, b FROM (VALUES (ARRAY[1, 2, 3], ARRAY['x'])) AS t (p, q) CROSS JOIN UNNEST(p, q) AS e (a, b) ORDER BY a",
            vec!["1 | x", "2 | NULL", "3 | NULL"],
        ),
        ("SELECT k, v FROM UNNEST(MAP(ARRAY['a', 'b'], ARRAY[1, 2])) AS t (k, v) ORDER BY k", vec!["a | 1", "b | 2"]),
        (
            "SELECT x, y FROM (VALUES ARRAY[ARRAY[1, 2], ARRAY[3]]) AS t (l) CROSS JOIN UNNEST(l) AS a (x) CROSS JOIN UNNEST(x) AS b (y) ORDER BY y",
            vec!["[1, 2] | 1", "[1, 2] | 2", "[3] | 3"],
        ),
        (
            "SELECT id, y FROM bronze.u CROSS JOIN LATERAL (SELECT id * 10 AS y) AS v ORDER BY 1",
            vec!["1 | 10", "2 | 20"],
        ),
        (
            "WITH RECURSIVE t (n) AS (VALUES 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t",
            vec!["15"],
        ),
    ] {
        assert_eq!(test.rows(Trino, sql).await, expected, "{sql}");
    }
}
