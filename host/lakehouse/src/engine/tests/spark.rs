//! What Spark SQL means: values as Spark 4 has them, ANSI mode on, time zone UTC.

use asgard_contract::lakehouse::Dialect::Spark;
use asgard_contract::lakehouse::WriteMode;

use super::{TestLakehouse, write};

#[tokio::test]
async fn expressions_have_spark_s_values() {
    let test = TestLakehouse::new().await;
    let cases = [
        // Arithmetic.
        ("7 / 2", "3.5"),
        ("7 DIV 2", "3"),
        ("7 % 3, -7 % 3", "1 | -1"),
        ("CAST(1.00 AS DECIMAL(10,2)) / CAST(3.00 AS DECIMAL(10,2))", "0.3333333333333"),
        ("2.5 * 2", "5.0"),
        ("1e3, 10L", "1000.0 | 10"),
        ("'5' + 1", "6"),
        ("try_divide(1, 0), try_add(2147483647, 1)", "NULL | NULL"),
        ("round(2.675, 2), round(2.5D), round(-2.5, 0), round(125L)", "2.68 | 3.0 | -3 | 125"),
        ("ceil(1.2D), floor(-1.2D), ceil(1.25)", "2 | -2 | 2"),
        ("power(2, 10), sqrt(16), ln(0), abs(-3)", "1024.0 | 4.0 | NULL | 3"),
        // Casts.
        ("CAST('  12 ' AS INT), CAST('1.5' AS DOUBLE), CAST('yes' AS BOOLEAN)", "12 | 1.5 | true"),
        ("CAST(1.9D AS INT), CAST(2.5 AS INT)", "1 | 2"),
        ("CAST(1e10 AS STRING), CAST(0.1D AS STRING), CAST(true AS STRING)", "1.0E10 | 0.1 | true"),
        (
            "CAST(TIMESTAMP '2024-05-01 10:00:00.5' AS STRING), CAST(DATE '2024-05-01' AS STRING)",
            "2024-05-01 10:00:00.5 | 2024-05-01",
        ),
        ("CAST(60 AS TIMESTAMP), CAST(TIMESTAMP '1970-01-01 00:01:00' AS BIGINT)", "1970-01-01T00:01:00Z | 60"),
        ("try_cast('x' AS INT), string(5), int('7')", "NULL | 5 | 7"),
        ("CAST('12.345' AS DECIMAL(5,2))", "12.35"),
        // Text.
        (r"'it\'s', 'a\tb', 'a' 'b'", "it's | a\tb | ab"),
        ("concat_ws('-', 'a', NULL, 1), concat('a', 1, true), 'a' || 'b'", "a-1 | a1true | ab"),
        ("concat('a', NULL) IS NULL, initcap('hELLO wORLD-x'), upper(trim('  x '))", "true | Hello World-x | X"),
        ("regexp_replace('a1b22', '[0-9]+', '#'), regexp_extract('a-12', '([a-z])-([0-9]+)', 2)", "a#b# | 12"),
        (r"regexp_replace('2024-05', '(\\d+)-(\\d+)', '$2/$1'), 'abc' RLIKE '^a.c$'", "05/2024 | true"),
        ("substring('hello', 2, 3), substring('hello', -3), instr('hello', 'l'), length('héllo')", "ell | llo | 3 | 5"),
        ("split('a1b2c', '[0-9]'), substring_index('a.b.c', '.', 2), lpad('7', 3, '0')", "[a, b, c] | a.b | 007"),
        ("'a' = 'A', 'abc' LIKE 'a%', 'a_c' LIKE 'a\\_c'", "false | true | true"),
        // Columns of the select that stand before.
        ("1 AS a, a + 1 AS b, A + b, (SELECT max(c) FROM VALUES (5) AS t(c)) + a", "1 | 2 | 3 | 6"),
        // Choice.
        ("nvl(NULL, 1), coalesce(NULL, NULL, 'x'), if(1 > 2, 'a', 'b'), nullif(1, 1)", "1 | x | b | NULL"),
        ("NULL <=> NULL, 1 <=> NULL, isnull(NULL), greatest(1, NULL, 3)", "true | false | true | 3"),
        (
            "'10' > 9, '2024-01-02' > DATE '2024-01-01', 5 IN ('5', '6'), 5 BETWEEN '1' AND '9'",
            "true | true | true | true",
        ),
        ("!true, NOT false, true AND NULL", "false | true | NULL"),
        // Dates and moments.
        (
            "datediff('2024-05-10', '2024-05-01'), datediff(HOUR, TIMESTAMP '2024-05-01 00:00:00', TIMESTAMP '2024-05-01 05:59:00')",
            "9 | 5",
        ),
        ("timestampdiff(MONTH, TIMESTAMP '2024-01-31 00:00:00', TIMESTAMP '2024-02-29 00:00:00')", "0"),
        (
            "dateadd(DAY, 3, TIMESTAMP '2024-05-01 10:00:00'), date_add(DATE '2024-05-01', 3)",
            "2024-05-04T10:00:00Z | 2024-05-04",
        ),
        ("unix_timestamp('2024-05-01 00:00:10') - unix_timestamp('2024-05-01 00:00:00')", "10"),
        (
            "to_timestamp('2024-05-01 10:20:30'), to_date('01/05/2024', 'dd/MM/yyyy')",
            "2024-05-01T10:20:30Z | 2024-05-01",
        ),
        ("to_timestamp('01.05.2024 10:20', 'dd.MM.yyyy HH:mm')", "2024-05-01T10:20:00Z"),
        (
            "date_format(TIMESTAMP '2024-05-01 15:04:05', 'yyyy/MM/dd hh:mm a EEE'), from_unixtime(0)",
            "2024/05/01 03:04 PM Wed | 1970-01-01 00:00:00",
        ),
        (
            "date_trunc('MONTH', TIMESTAMP '2024-05-17 10:00:00'), date_trunc('hour', '2024-05-17 10:30:00')",
            "2024-05-01T00:00:00Z | 2024-05-17T10:00:00Z",
        ),
        (
            "year('2024-05-01'), quarter(DATE '2024-05-01'), dayofweek(DATE '2024-05-01'), weekday(DATE '2024-05-01'), weekofyear(DATE '2024-05-01')",
            "2024 | 2 | 4 | 2 | 18",
        ),
        ("hour('2024-05-01 10:20:30'), EXTRACT(MINUTE FROM TIMESTAMP '2024-05-01 10:20:30')", "10 | 20"),
        (
            "last_day(DATE '2024-02-01'), add_months(DATE '2024-01-31', 1), months_between(DATE '2024-03-31', DATE '2024-02-29')",
            "2024-02-29 | 2024-02-29 | 1.0",
        ),
        (
            "TIMESTAMP '2024-05-01 10:00:00' + INTERVAL 2 HOURS, DATE '2024-05-01' + INTERVAL '1' MONTH",
            "2024-05-01T12:00:00Z | 2024-06-01",
        ),
        ("current_timestamp() > TIMESTAMP '2024-01-01 00:00:00', current_date > DATE '2024-01-01'", "true | true"),
        (
            "CAST('2024-05-01 10:00:00+02:00' AS TIMESTAMP), CAST('2024-05-01 10:00:00+02:00' AS TIMESTAMP_NTZ)",
            "2024-05-01T08:00:00Z | 2024-05-01T10:00:00",
        ),
        // Functions of the engine's own package.
        (
            "array_repeat('a', 2), ascii('a'), base64('a'), CAST(unbase64('YQ==') AS STRING), bin(5), bit_count(7), char(97)",
            "[a, a] | 97 | YQ== | a | 101 | 3 | a",
        ),
        (
            "crc32('a'), elt(2, 'a', 'b'), expm1(0), hex(255), CAST(unhex('61') AS STRING), next_day(DATE '2024-05-01', 'MON')",
            "3904355907 | b | 0.0 | FF | a | 2024-05-06",
        ),
        (
            "pmod(-7, 3), rint(2.5D), sha1('a'), sha2('a', 256), slice(array(1, 2, 3), 2, 2)",
            "2 | 2.0 | 86f7e437faa5a7fce15d1ddcb9eaeaea377667b8 | ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb | [2, 3]",
        ),
        (
            "trunc(DATE '2024-05-17', 'MM'), unix_date(DATE '1970-01-02'), unix_seconds(TIMESTAMP '1970-01-01 00:00:05'), url_encode('a b'), width_bucket(5.3D, 0.2D, 10.6D, 5)",
            "2024-05-01 | 1 | 5 | a+b | 3",
        ),
        (
            "repeat('ab', 2), left('abc', 2), right('abc', 2), rpad('7', 3, '0'), translate('abc', 'b', 'x'), overlay('abc' PLACING 'X' FROM 2)",
            "abab | ab | bc | 700 | axc | aXc",
        ),
        (
            "md5('a'), contains('abc', 'b'), startswith('abc', 'a'), endswith('abc', 'c'), levenshtein('kitten', 'sitting')",
            "0cc175b9c0f1b6a831c399e269772661 | true | true | true | 3",
        ),
        // Lists and structs.
        ("array(1, 2, 3)[0], array(1, 2, 3)[2], array(1)[CAST(NULL AS INT)]", "1 | 3 | NULL"),
        ("s.a[1] FROM (SELECT named_struct('a', array(5, 6)) AS s)", "6"),
        ("nvl(NULL, 2), reverse('abc'), reverse(array(1, 2))[0]", "2 | cba | 2"),
        ("hypot(3, 4), atan2(0, 0), log1p(0), equal_null(NULL, NULL), zeroifnull(NULL)", "5.0 | 0.0 | 0.0 | true | 0"),
        ("size(array(1, 2)), array_contains(array('a'), 'a'), element_at(array(1, 2, 3), -1)", "2 | true | 3"),
    ];
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let statement = with_names(sql);
        match asgard_capabilities::lakehouse::Engine::query(&*test.lakehouse, &super::statement(Spark, &statement), 9)
            .await
        {
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

/// Two columns of one text would have one name.
fn with_names(list: &str) -> String {
    format!("SELECT {list}")
}

#[tokio::test]
async fn what_spark_refuses_is_refused() {
    let test = TestLakehouse::new().await;
    let cases = [
        ("SELECT 2147483647 + 1", "too large"),
        ("SELECT CAST('abc' AS INT)", "cannot be cast"),
        ("SELECT CAST(300 AS TINYINT)", ""),
        ("SELECT 1.0 / 0", "division by zero"),
        ("SELECT to_date('x', 'yyyy')", "does not have the pattern"),
        ("SELECT date_format(current_date, 'YYYY')", "not supported"),
        ("SELECT date_diff('day', DATE '2024-01-01', DATE '2024-01-02') AT TIME ZONE 'UTC'", "AT TIME ZONE"),
        ("SELECT 1 + explode(array(1))", "stands in the select list"),
        ("SELECT array(1, 2)[5]", "no element 5 in a list of 2, counted from 0"),
        ("SELECT array(1, 2)[-1]", "no element -1"),
        ("SELECT CASE WHEN 1 THEN 2 END", "a condition is true or false"),
        ("SELECT arbitrary(1)", "there is no function `arbitrary` in Spark SQL"),
        ("SELECT max(x -> x + 1)", "takes no lambda"),
        ("SELECT 'a' LIKE 'x\\\\y'", "in a pattern"),
        ("SELECT 1 FROM (SELECT array(1) AS l) a LATERAL VIEW upper('a') v AS x", "no generator"),
        ("SELECT inline(array(1, 2))", "list of structs"),
    ];
    for (sql, expected) in cases {
        let message = test.wrong(Spark, sql).await;
        assert!(message.contains(expected), "{sql}: {message}");
    }
}

#[tokio::test]
async fn aggregates_windows_and_orders_are_spark_s() {
    let test = TestLakehouse::new().await;
    test.table(
        "silver.t",
        "SELECT * FROM (VALUES ('a', 1, 10), ('a', 2, NULL), ('b', 3, 30), ('b', 4, 40), (NULL, 5, 50)) AS t (g, n, x)",
    )
    .await;
    let cases: [(&str, &[&str]); 8] = [
        ("SELECT g, count(*), count(x), sum(n), avg(n) FROM silver.t GROUP BY g ORDER BY g", &[
            "NULL | 1 | 1 | 5 | 5.0",
            "a | 2 | 1 | 3 | 1.5",
            "b | 2 | 2 | 7 | 3.5",
        ]),
        ("SELECT x FROM silver.t ORDER BY x DESC", &["50", "40", "30", "10", "NULL"]),
        ("SELECT max_by(n, x), min_by(n, x), count_if(n > 2), median(n), percentile(n, 0.25) FROM silver.t", &[
            "5 | 1 | 3 | 3.0 | 2.0",
        ]),
        ("SELECT round(stddev(n), 3), round(var_pop(n), 3), bool_or(n > 4), first(n) FROM (SELECT * FROM silver.t ORDER BY n)", &[
            "1.581 | 2.0 | true | 1",
        ]),
        ("SELECT g, n, row_number() OVER (PARTITION BY g ORDER BY n DESC) AS r, lag(n) OVER (PARTITION BY g ORDER BY n) AS l
          FROM silver.t WHERE g IS NOT NULL ORDER BY n", &["a | 1 | 2 | NULL", "a | 2 | 1 | 1", "b | 3 | 2 | NULL", "b | 4 | 1 | 3"]),
        ("SELECT g, sum(n) AS s FROM silver.t GROUP BY ALL HAVING sum(n) > 3 ORDER BY s", &["NULL | 5", "b | 7"]),
        ("SELECT sum(n) FROM silver.t WHERE n IN (SELECT max(n) FROM silver.t u WHERE u.g = t.g)", &["6"]),
        ("SELECT a FROM (SELECT 1 AS a UNION ALL SELECT 2) ORDER BY a DESC LIMIT 1", &["2"]),
    ];
    for (sql, expected) in cases {
        assert_eq!(
            test.rows(Spark, &sql.replace("FROM silver.t WHERE n IN", "FROM silver.t t WHERE n IN")).await,
            expected,
            "{sql}"
        );
    }
}

#[tokio::test]
async fn columns_have_spark_s_types_and_names() {
    let test = TestLakehouse::new().await;
    let cases: [(&str, &[&str]); 3] = [
        (
            "SELECT 1 AS a, 3000000000 AS b, 1.5 AS c, 1 / 2 AS d, 'x' AS e, current_timestamp() AS f",
            &["a int", "b long", "c decimal(2,1)", "d double", "e string", "f timestamptz"],
        ),
        (
            "SELECT count(*), sum(1), row_number() OVER (ORDER BY 1) AS r, CAST(1 AS BIGINT) AS l, CAST(NULL AS DATE) AS d",
            &["count(1) long", "sum(1) long", "r int", "l long", "d date"],
        ),
        (
            "SELECT upper('x'), 1 + 1, year(DATE '2024-01-01') AS y, datediff(DATE '2024-01-02', DATE '2024-01-01') AS n",
            &["upper(x) string", "(1 + 1) int", "y int", "n int"],
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(test.types(Spark, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn nested_columns_of_two_tables_are_of_one_type() {
    let test = TestLakehouse::new().await;
    let make = async |name: &str, before: &str, id: u32, text: &str| {
        let nested = format!(
            "{id} AS id, array('{text}') AS l, named_struct('p', {id}, 'q', '{text}') AS s, map('{text}', {id}) AS m"
        );
        test.run(Spark, &format!("SELECT {before} {nested}"), write(name, WriteMode::Replace, &[])).await.unwrap();
    };
    make("silver.one", "", 1, "a").await;
    // Another column before them: its fields have other ids.
    make("silver.two", "'z' AS before,", 2, "b").await;
    let cases: [(&str, &[&str]); 4] = [
        (
            "SELECT l, s, m FROM silver.one UNION ALL SELECT l, s, m FROM silver.two ORDER BY 1",
            &["[a] | {p: 1, q: a} | {a: 1}", "[b] | {p: 2, q: b} | {b: 2}"],
        ),
        (
            "SELECT coalesce(a.l, b.l), coalesce(a.s, b.s).q FROM silver.one a FULL JOIN silver.two b ON a.id = b.id ORDER BY 1",
            &["[a] | a", "[b] | b"],
        ),
        ("SELECT l || array('c'), array(s, named_struct('p', 7, 'q', 'c'))[1].p FROM silver.one", &["[a, c] | 7"]),
        ("SELECT count(*) FROM silver.one a JOIN silver.two b ON a.l <> b.l AND a.s <> b.s", &["1"]),
    ];
    for (sql, expected) in cases {
        assert_eq!(test.rows(Spark, sql).await, expected, "{sql}");
    }
}
