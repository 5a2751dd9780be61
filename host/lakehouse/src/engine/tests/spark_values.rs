//! Spark's functions of text, binary and numbers: nulls, letters beyond ASCII, what is empty, and what is wrong.

use asgard_contract::lakehouse::Dialect::Spark;

use super::TestLakehouse;

#[tokio::test]
async fn text_and_binary_are_taken_apart_alike() {
    let test = TestLakehouse::new().await;
    test.hold(Spark, &[
        ("lpad('é', 3, 'xy'), rpad('é', 3), lpad('abc', 2), lpad('a', -1) = '', lpad('a', 3, '')", "xyé | é   | ab | true | a"),
        ("hex(lpad(x'aabb', 5)), hex(rpad(x'aabb', 5, x'1122')), hex(left(x'aabbcc', 2))", "000000AABB | AABB112211 | AABB"),
        ("hex(substring(x'aabbcc', -2)), substring('héllo', 0, 2), substr('abc', 5) = '', substring('abc', -9, 7)", "BBCC | hé | true | a"),
        ("length(x'00ff'), length('é'), octet_length('é'), bit_length(x'00'), char_length(NULL)", "2 | 1 | 2 | 8 | NULL"),
        ("contains(x'aabb', x'bb'), startswith('abc', ''), endswith(x'aabb', x'aa'), contains('a', NULL)", "true | true | false | NULL"),
        ("overlay('Spark SQL' PLACING '_' FROM 6), overlay('abc' PLACING 'X' FROM 2 FOR 0), hex(overlay(x'aabbcc' PLACING x'00' FROM 2))", "Spark_SQL | aXbc | AA00CC"),
        ("btrim('  a '), btrim('xay', 'yx'), btrim(x'2061'), trim(BOTH FROM '  a '), trim(LEADING FROM ' a') ", "a | a | a | a | a"),
        ("locate('l', 'héllo'), locate('l', 'hello', 4), locate('', 'a'), locate('x', 'a'), locate('a', 'a', NULL), position('b' IN 'ab')", "3 | 4 | 1 | 0 | 0 | 2"),
        ("split_part('a.b', '.', -1), split_part('a.b', '.', 3) = '', split_part('a', '', 1), find_in_set('b', 'a,b'), find_in_set('a,b', 'a,b')", "b | true | a | 2 | 0"),
        ("soundex('Robert'), soundex('') = '', soundex('7x'), quote('it\\'s'), levenshtein('kitten', 'sitting', 2), levenshtein('a', 'a', 0)", "R163 | true | 7x | 'it\\'s' | -1 | 0"),
        ("mask('Àb1-😀', 'U', 'l', 'd', 'o'), mask(NULL), mask('aB', NULL, NULL)", "Uldooo | NULL | aB"),
        ("regexp_extract_all('a1b22', '([a-z])([0-9]+)', 2), regexp_extract_all('x', '[0-9]', 0), regexp_instr('héllo', 'l+'), regexp_substr('abc', 'x') IS NULL", "[1, 22] | [] | 3 | true"),
        ("split('a,b,c', ',', 2), split('abc', ''), split('a,', ','), regexp_replace('aaa', 'a', 'b', 2), regexp_replace('abc', '^b', 'x', 2)", "[a, b,c] | [a, b, c] | [a, ] | abb | axc"),
    ])
    .await;
    test.refuses(
        Spark,
        &[
            ("split_part('a', '.', 0)", "counts from 1"),
            ("mask('a', 'XY')", "one letter"),
            ("contains(array(1), 'a')", "text or binary"),
            ("regexp_extract_all('a', 'a', 1)", "has no group 1"),
            ("raise_error('on purpose')", "on purpose"),
            ("typeof(assert_true(1 > 2, 'no'))", "no"),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_error_on_purpose_is_raised_only_where_the_statement_comes_to_it() {
    let test = TestLakehouse::new().await;
    test.table("silver.n", "SELECT * FROM (VALUES 1, 2, 3) AS t (n)").await;
    let sql =
        "SELECT n, CASE WHEN n < 9 THEN 'small' ELSE raise_error('too large') END AS size FROM silver.n ORDER BY n";
    assert_eq!(test.rows(Spark, sql).await, ["1 | small", "2 | small", "3 | small"]);
    let sql =
        "SELECT CASE WHEN n < 3 THEN 'small' ELSE raise_error(concat('too large: ', n)) END AS size FROM silver.n";
    assert!(test.wrong(Spark, sql).await.contains("too large: 3"));
}

#[tokio::test]
async fn text_becomes_binary_and_binary_text() {
    let test = TestLakehouse::new().await;
    test.hold(Spark, &[
        ("hex(encode('é', 'utf-16')), hex(encode('é', 'UTF-16LE')), hex(encode('é', 'iso-8859-1')), hex(encode('é', 'utf-32'))", "FEFF00E9 | E900 | E9 | 000000E9"),
        ("decode(x'FFFE6100', 'utf-16'), decode(x'E9', 'ISO-8859-1'), decode(encode('日本', 'utf-8'), 'utf-8')", "a | é | 日本"),
        ("hex(to_binary('abc')), hex(to_binary('YQ==', 'base64')), hex(to_binary('YQ', 'base64')), hex(to_binary('é', 'UTF-8'))", "0ABC | 61 | 61 | C3A9"),
        ("try_to_binary('x', 'hex') IS NULL, try_to_binary('YQ===', 'base64') IS NULL, to_binary(NULL) IS NULL", "true | true | true"),
        ("is_valid_utf8(x'C3A9'), is_valid_utf8(x'C3'), make_valid_utf8(x'61C3'), try_validate_utf8(x'C3') IS NULL", "true | false | a\u{FFFD} | true"),
        ("to_char(x'6162', 'base64'), to_char(x'6162', 'hex'), to_char(x'6162', 'utf-8'), to_char(DATE '2024-05-01', 'yyyy/MM')", "YWI= | 6162 | ab | 2024/05"),
        ("CAST(aes_decrypt(aes_encrypt('geheim é', '0000111122223333'), '0000111122223333') AS STRING)", "geheim é"),
        ("CAST(aes_decrypt(aes_encrypt('x', 'abcdefghijklmnop12345678', 'CBC'), 'abcdefghijklmnop12345678', 'cbc', 'PKCS') AS STRING)", "x"),
        ("try_aes_decrypt(x'00', '0000111122223333') IS NULL, try_aes_decrypt(NULL, '0000111122223333') IS NULL", "true | true"),
        ("hash(1, 'a') = hash(1, 'a', NULL), hash(1) = hash(1L), hash(0.0D) = hash(-0.0D), xxhash64('a') = xxhash64('b')", "true | false | true | false"),
        ("hash('Spark'), hash('Spark', array(123), 2), xxhash64('Spark', array(123), 2)", "228093765 | -1321691492 | 5602566077635097486"),
    ])
    .await;
    test.refuses(
        Spark,
        &[
            ("encode('é', 'US-ASCII')", "is not in US-ASCII"),
            ("encode('a', 'latin')", "no character set"),
            ("decode(x'C3', 'utf-8')", "no text in utf-8"),
            ("to_binary('xyz')", "try_to_binary"),
            ("validate_utf8(x'C3')", "valid UTF-8"),
            ("aes_encrypt('a', 'short')", "16, 24 or 32 bytes"),
            ("aes_encrypt('a', '0000111122223333', 'CTR')", "no AES with mode CTR"),
            ("aes_decrypt(x'00', '0000111122223333')", "cannot be decrypted"),
            ("hash(map_from_arrays(array(1), array(2)))", "has no hash"),
        ],
    )
    .await;
}

#[tokio::test]
async fn numbers_are_written_and_read_by_a_format() {
    let test = TestLakehouse::new().await;
    test.hold(Spark, &[
        ("to_char(-1234.5, 'S9G999D99'), to_char(12, '0000'), to_char(1234, '99'), to_char(NULL, '9') IS NULL", "-1,234.50 | 0012 | ## | true"),
        ("to_number('-1,234.5', 'S9,999.99'), to_number('<12>', '99PR'), try_to_number('x', '9') IS NULL, to_number(NULL, '9') IS NULL", "-1234.50 | -12 | true | true"),
        ("format_number(1234567.891, 2), format_number(2.5D, 0), format_number(-5, 1), format_number(1, -1) IS NULL, format_number(0.5, '#,##0.0#')", "1,234,567.89 | 2 | -5.0 | true | 0.5"),
        ("conv('ff', 16, 2), conv('-1', 10, 16), conv('', 10, 2) IS NULL, conv('9', 1, 2) IS NULL", "11111111 | FFFFFFFFFFFFFFFF | true | true"),
        ("factorial(20), factorial(21) IS NULL, factorial(0), e(), rint(2.5)", "2432902008176640000 | true | 1 | 2.718281828459045 | 2.0"),
        ("typeof(1), typeof(1.5), typeof(array(named_struct('a', 'x'))), typeof(NULL), typeof(x'00'), typeof(current_timestamp())", "int | decimal(2,1) | array<struct<a:string>> | void | binary | timestamp"),
        ("bitmap_count(X 'FF0'), hex(X '1'), collation('a')", "8 | 01 | SYSTEM.BUILTIN.UTF8_BINARY"),
    ])
    .await;
    test.refuses(
        Spark,
        &[
            ("to_number('12', '9')", "does not have the format"),
            ("to_number('1', '9$')", "no format of numbers"),
            ("to_number('1', concat('9', s)) FROM (SELECT '9' AS s)", "written out"),
            ("to_char(1.5D, '9')", "takes a decimal"),
            ("format_number('a', 2)", "takes a number"),
            ("format_number(1, '0%')", "pattern '0%' is not supported"),
            ("conv('18446744073709551616', 10, 2)", "larger than 64 bits"),
        ],
    )
    .await;
}

#[tokio::test]
async fn functions_take_columns_as_they_take_literals() {
    let test = TestLakehouse::new().await;
    test.table("silver.t", "SELECT * FROM (VALUES ('a,b', 1), (NULL, 2), ('', NULL)) AS t (s, n)").await;
    let cases: [(&str, &[&str]); 3] = [
        (
            "SELECT split(s, ','), lpad(s, 4, '*'), length(s), mask(s, 'X', 'x') FROM silver.t",
            &["[a, b] | *a,b | 3 | x,x", "NULL | NULL | NULL | NULL", "[] | **** | 0 | "],
        ),
        (
            "SELECT hex(encode(s, 'utf-8')), to_char(n, '09'), locate(',', s, n) FROM silver.t",
            &["612C62 | 01 | 2", "NULL | 02 | NULL", " | NULL | 0"],
        ),
        (
            "SELECT hash(s, n) = hash(s, n, NULL), try_to_number(s, '9') FROM silver.t",
            &["true | NULL", "true | NULL", "true | NULL"],
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(test.rows(Spark, sql).await, expected, "{sql}");
    }
}
