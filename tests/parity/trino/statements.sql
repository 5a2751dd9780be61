-- Statements whose answers depend on nothing but themselves, one a line.
-- Numbers.
SELECT 1 + 2, 7 / 2, 7 % 3, -7 / 2, -7 % 3
SELECT 7.0 / 2, 1.00 / 3, DECIMAL '10' / 3, 2.5 * 2.5
SELECT 1e0 / 3, 10e0 / 4, REAL '1.5' + 1
SELECT DECIMAL '0.50' + DECIMAL '1.255', DECIMAL '99.9' * DECIMAL '0.1'
SELECT CAST(0.50 AS DOUBLE), CAST('1.25' AS DECIMAL(5,2))
SELECT abs(-5), abs(-5.5), abs(DECIMAL '-1.20')
SELECT ceil(1.2), ceiling(-1.2e0), floor(1.7), floor(-1.2e0)
SELECT round(2.5), round(-2.5), round(3.14159, 2), round(1234.5e0, -2)
SELECT round(2.5e0), round(0.5e0), round(1.005e0, 2)
SELECT truncate(3.99e0), truncate(-3.99e0), truncate(DECIMAL '12.345', 2)
SELECT sign(-3), sign(0), sign(2.5e0)
SELECT power(2, 10), pow(2e0, 0.5e0), sqrt(2e0), cbrt(27e0)
SELECT exp(1e0), ln(10e0), log2(8e0), log10(1000e0), log(2e0, 64e0)
SELECT mod(10, 3), mod(-10, 3), mod(10.5, 3)
SELECT greatest(1, 5, 3), least(1, 5, 3), greatest('a', 'b'), least(1.5, 2)
SELECT greatest(1, NULL), least(NULL, 1)
SELECT pi(), e(), degrees(pi()), radians(180e0)
SELECT sin(1e0), cos(1e0), tan(1e0), asin(0.5e0), acos(0.5e0), atan(1e0), atan2(1e0, 2e0)
SELECT sinh(1e0), cosh(1e0), tanh(1e0)
SELECT width_bucket(5.3e0, 0.2e0, 10.6e0, 5), width_bucket(-1e0, 0e0, 10e0, 5)
SELECT is_nan(nan()), is_finite(1e0), is_infinite(infinity())
SELECT bitwise_and(12, 10), bitwise_or(12, 10), bitwise_xor(12, 10), bitwise_not(0)
SELECT bitwise_left_shift(1, 4), bitwise_right_shift(16, 2), bit_count(7, 64)
SELECT from_base('ff', 16), to_base(255, 2)
SELECT CAST(1 AS DOUBLE), CAST(1.9e0 AS INTEGER), CAST(-1.5e0 AS BIGINT), CAST(2.5 AS BIGINT)
SELECT CAST('12' AS INTEGER), CAST('1e3' AS DOUBLE), CAST(TRUE AS INTEGER), CAST(0 AS BOOLEAN)
SELECT TRY_CAST('x' AS INTEGER), TRY_CAST('12' AS BIGINT), TRY_CAST('2020-13-01' AS DATE)
SELECT try(1 / 0), try(CAST('x' AS INTEGER)), try(CAST('5' AS INTEGER))
SELECT 1 / 0
SELECT CAST('x' AS INTEGER)
SELECT 2147483647 + 1
SELECT CAST(3000000000 AS INTEGER)
SELECT 1e0 / 0
SELECT BIGINT '9223372036854775807' + 1
SELECT typeof(1), typeof(1.5), typeof(1e0), typeof('a'), typeof(NULL), typeof(DATE '2020-01-01')
SELECT typeof(TIMESTAMP '2020-01-01 00:00:00.123456'), typeof(ARRAY[1]), typeof(MAP(ARRAY['a'], ARRAY[1]))
SELECT typeof(1 + 1.5), typeof(1 / 2), typeof(DECIMAL '1.5' * DECIMAL '1.25')
SELECT 1 = 1.0, 1 < 1.5e0, 'a' < 'b', NULL = NULL
SELECT 5 BETWEEN 1 AND 10, 5 NOT BETWEEN 6 AND 10, 5 IN (1, 5), 5 NOT IN (1, 2)
SELECT NULL IS NULL, 1 IS NOT NULL, 1 IS DISTINCT FROM NULL, NULL IS NOT DISTINCT FROM NULL
SELECT TRUE AND NULL, FALSE AND NULL, TRUE OR NULL, NOT NULL
-- Choice.
SELECT CASE WHEN 1 > 2 THEN 'a' WHEN 2 > 1 THEN 'b' ELSE 'c' END
SELECT CASE 3 WHEN 1 THEN 'one' WHEN 3 THEN 'three' END, CASE 9 WHEN 1 THEN 'one' END
SELECT if(1 > 0, 'yes', 'no'), if(1 < 0, 'yes')
SELECT coalesce(NULL, NULL, 3), coalesce('a', 'b'), nullif(1, 1), nullif(1, 2)
SELECT CASE WHEN TRUE THEN 1 ELSE 2.5 END
-- Text.
SELECT upper('abc'), lower('ABC'), length('hello'), length('äöü')
SELECT concat('a', 'b', 'c'), 'a' || 'b' || 'c', concat_ws('-', 'a', NULL, 'b')
SELECT substr('hello', 2), substr('hello', 2, 3), substr('hello', -3), substring('hello' FROM 2 FOR 2)
SELECT trim('  a  '), ltrim('  a'), rtrim('a  '), trim(BOTH 'x' FROM 'xxaxx')
SELECT trim(LEADING 'x' FROM 'xxa'), trim(TRAILING FROM 'a  '), length(trim('  a  '))
SELECT replace('banana', 'an'), replace('banana', 'an', 'o'), reverse('abc')
SELECT lpad('7', 3, '0'), rpad('7', 3, '0'), lpad('12345', 3, '0')
SELECT strpos('banana', 'an'), strpos('banana', 'x'), strpos('banana', 'an', 2), position('n' IN 'banana')
SELECT starts_with('abc', 'ab'), ends_with('abc', 'bc')
SELECT split('a,b,c', ','), split('a,b,c', ',', 2), split_part('a,b,c', ',', 2), split_part('a,b,c', ',', 9)
SELECT chr(65), codepoint('A'), translate('abcd', 'ac', 'xy')
SELECT levenshtein_distance('kitten', 'sitting'), hamming_distance('abc', 'abd'), soundex('Robert')
SELECT 'abc' LIKE 'a%', 'abc' LIKE '_b_', 'a%c' LIKE 'a\%c' ESCAPE '\', 'abc' NOT LIKE 'b%'
SELECT regexp_like('1a 2b', '\d+b'), regexp_replace('1a 2b', '\d+'), regexp_replace('1a 2b', '(\d+)([ab])', '$2$1')
SELECT regexp_extract('1a 2b 14m', '\d+'), regexp_extract('1a 2b 14m', '(\d+)([a-z]+)', 2), regexp_extract_all('1a 2b 14m', '\d+')
SELECT regexp_split('1a 2b 14m', '\s*[a-z]+\s*'), regexp_count('1a 2b 14m', '\s*[a-z]+\s*'), regexp_position('9102, say good bye', '\s*[a-z]+\b')
SELECT to_hex(to_utf8('abc')), from_utf8(X'616263'), to_base64(to_utf8('abc')), from_base64('YWJj')
SELECT md5(to_utf8('abc')), sha1(to_utf8('abc')), sha256(to_utf8('abc'))
SELECT to_hex(md5(to_utf8('abc'))), crc32(to_utf8('abc')), xxhash64(to_utf8('abc'))
SELECT url_encode('a b&c'), url_decode('a+b%26c'), url_extract_host('http://example.com:80/p?q=1'), url_extract_parameter('http://e.com/?a=1&b=2', 'b')
SELECT format('%s has %d of %.2f', 'a', 5, 1.5e0), format('%05d', 42)
SELECT normalize('é', NFD) = 'é', length(normalize('é', NFD))
SELECT word_stem('running'), repeat('a', 3)
SELECT U&'\00e9', 'it''s', 'a' = 'A', 'a ' = 'a'
SELECT CAST('abc' AS VARCHAR(2)), CAST(12.50 AS VARCHAR), CAST(1e0 AS VARCHAR), CAST(TRUE AS VARCHAR)
SELECT CAST(1.5e10 AS VARCHAR), CAST(0.1e0 AS VARCHAR), CAST(DECIMAL '1.50' AS VARCHAR), CAST(DATE '2020-01-02' AS VARCHAR)
SELECT char_length('abc'), luhn_check('79927398713')
-- Dates and times.
SELECT DATE '2024-02-29', TIMESTAMP '2024-02-29 12:34:56.789', TIMESTAMP '2024-02-29 12:34:56.123456'
SELECT date_add('day', 1, DATE '2024-02-28'), date_add('month', 1, DATE '2024-01-31'), date_add('year', 1, DATE '2024-02-29')
SELECT date_add('hour', 25, TIMESTAMP '2024-01-01 00:00:00'), date_add('second', -1, TIMESTAMP '2024-01-01 00:00:00.000')
SELECT date_add('week', 2, DATE '2024-01-01'), date_add('quarter', 1, DATE '2024-01-31'), date_add('millisecond', 5, TIMESTAMP '2024-01-01 00:00:00.000')
SELECT date_diff('day', DATE '2024-01-01', DATE '2024-03-01'), date_diff('month', DATE '2024-01-31', DATE '2024-02-29'), date_diff('year', DATE '2020-02-29', DATE '2024-02-28')
SELECT date_diff('hour', TIMESTAMP '2024-01-01 00:00:00', TIMESTAMP '2024-01-02 01:59:59'), date_diff('minute', TIMESTAMP '2024-01-01 00:00:59', TIMESTAMP '2024-01-01 00:02:00')
SELECT date_diff('week', DATE '2024-01-01', DATE '2024-01-14'), date_diff('quarter', DATE '2024-01-01', DATE '2024-12-31'), date_diff('second', TIMESTAMP '2024-01-02 00:00:00', TIMESTAMP '2024-01-01 00:00:00')
SELECT date_diff('millisecond', TIMESTAMP '2024-01-01 00:00:00.000', TIMESTAMP '2024-01-01 00:00:01.500')
SELECT date_trunc('month', DATE '2024-02-29'), date_trunc('week', DATE '2024-02-29'), date_trunc('quarter', DATE '2024-05-15'), date_trunc('year', DATE '2024-05-15')
SELECT date_trunc('hour', TIMESTAMP '2024-02-29 12:34:56'), date_trunc('day', TIMESTAMP '2024-02-29 12:34:56.789'), date_trunc('minute', TIMESTAMP '2024-02-29 12:34:56')
SELECT year(DATE '2024-02-29'), month(DATE '2024-02-29'), day(DATE '2024-02-29'), quarter(DATE '2024-05-01'), week(DATE '2024-12-30')
SELECT day_of_week(DATE '2024-01-07'), dow(DATE '2024-01-01'), day_of_year(DATE '2024-03-01'), doy(DATE '2024-12-31'), year_of_week(DATE '2024-12-30'), yow(DATE '2021-01-01')
SELECT hour(TIMESTAMP '2024-01-01 12:34:56'), minute(TIMESTAMP '2024-01-01 12:34:56'), second(TIMESTAMP '2024-01-01 12:34:56'), millisecond(TIMESTAMP '2024-01-01 12:34:56.789')
SELECT extract(YEAR FROM DATE '2024-02-29'), extract(DAY FROM TIMESTAMP '2024-02-29 01:00:00'), extract(HOUR FROM TIMESTAMP '2024-02-29 01:00:00'), extract(DOW FROM DATE '2024-02-29')
SELECT DATE '2024-01-31' + INTERVAL '1' DAY, DATE '2024-01-31' + INTERVAL '1' MONTH, TIMESTAMP '2024-01-01 00:00:00' - INTERVAL '1' HOUR
SELECT DATE '2024-01-31' - INTERVAL '2' YEAR, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL '90' MINUTE, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL '1-2' YEAR TO MONTH
SELECT last_day_of_month(DATE '2024-02-10'), date(TIMESTAMP '2024-02-10 12:00:00'), CAST(TIMESTAMP '2024-02-10 23:59:59' AS DATE)
SELECT CAST('2024-02-10' AS DATE), CAST('2024-02-10 01:02:03' AS TIMESTAMP), CAST(DATE '2024-02-10' AS TIMESTAMP)
SELECT from_unixtime(1700000000), to_unixtime(TIMESTAMP '2024-01-01 00:00:00'), from_unixtime(0)
SELECT from_iso8601_date('2024-02-10'), from_iso8601_timestamp('2024-02-10T01:02:03Z'), to_iso8601(DATE '2024-02-10'), to_iso8601(TIMESTAMP '2024-02-10 01:02:03')
SELECT date_format(TIMESTAMP '2024-02-10 13:02:03', '%Y-%m-%d %H:%i:%s'), date_format(TIMESTAMP '2024-02-10 13:02:03', '%a %b %e %h:%i %p %j %W')
SELECT date_parse('2024-02-10 13:02', '%Y-%m-%d %H:%i'), date_parse('10/02/24', '%d/%m/%y')
SELECT format_datetime(TIMESTAMP '2024-02-10 13:02:03', 'yyyy-MM-dd HH:mm:ss'), parse_datetime('2024-02-10 13:02', 'yyyy-MM-dd HH:mm')
SELECT TIMESTAMP '2024-01-01 00:00:00 UTC', TIMESTAMP '2024-07-01 12:00:00 Europe/Berlin' = TIMESTAMP '2024-07-01 10:00:00 UTC'
SELECT TIMESTAMP '2024-07-01 12:00:00 UTC' AT TIME ZONE 'America/New_York' = TIMESTAMP '2024-07-01 12:00:00 UTC'
SELECT human_readable_seconds(3661), parse_duration('1.5h'), to_milliseconds(INTERVAL '1' SECOND)
SELECT DATE '2024-01-01' < DATE '2024-01-02', TIMESTAMP '2024-01-01 00:00:00' = DATE '2024-01-01'
SELECT DATE '2024-13-01'
SELECT timezone_hour(TIMESTAMP '2024-07-01 12:00:00 +02:00'), hour(TIMESTAMP '2024-07-01 12:00:00 +02:00')
SELECT TIME '12:34:56', hour(TIME '12:34:56')
SELECT DATE '2024-03-01' - DATE '2024-01-01'
SELECT TIMESTAMP '2024-03-01 00:00:00' - TIMESTAMP '2024-01-01 00:00:00'
-- Arrays.
SELECT ARRAY[1, 2, 3], ARRAY['a', NULL], cardinality(ARRAY[1, 2, 3]), ARRAY[1, 2, 3][2]
SELECT element_at(ARRAY[1, 2, 3], 1), element_at(ARRAY[1, 2, 3], -1), element_at(ARRAY[1, 2, 3], 9)
SELECT ARRAY[1, 2][3]
SELECT array_distinct(ARRAY[1, 2, 2, 3]), array_sort(ARRAY[3, 1, 2]), array_max(ARRAY[1, 3, 2]), array_min(ARRAY[1, 3, 2])
SELECT array_join(ARRAY['a', 'b', NULL], ','), array_join(ARRAY['a', NULL], ',', '-'), array_position(ARRAY[1, 2, 3], 2), array_remove(ARRAY[1, 2, 1], 1)
SELECT array_intersect(ARRAY[1, 2, 3], ARRAY[2, 3, 4]), array_union(ARRAY[1, 2], ARRAY[2, 3]), array_except(ARRAY[1, 2, 3], ARRAY[2])
SELECT arrays_overlap(ARRAY[1, 2], ARRAY[2, 3]), contains(ARRAY[1, 2], 2), contains(ARRAY[1, 2], 3)
SELECT concat(ARRAY[1], ARRAY[2, 3]), ARRAY[1] || ARRAY[2], ARRAY[1] || 2, flatten(ARRAY[ARRAY[1], ARRAY[2, 3]])
SELECT slice(ARRAY[1, 2, 3, 4], 2, 2), slice(ARRAY[1, 2, 3, 4], -2, 2), reverse(ARRAY[1, 2, 3]), shuffle(ARRAY[1])
SELECT sequence(1, 5), sequence(1, 10, 3), sequence(5, 1, -2)
SELECT sequence(DATE '2024-01-01', DATE '2024-01-03'), sequence(DATE '2024-01-31', DATE '2024-04-30', INTERVAL '1' MONTH)
SELECT repeat(1, 3), zip(ARRAY[1, 2], ARRAY['a', 'b']), ngrams(ARRAY['a', 'b', 'c'], 2), combinations(ARRAY[1, 2, 3], 2)
SELECT transform(ARRAY[1, 2, 3], x -> x * 2), filter(ARRAY[1, 2, 3, 4], x -> x % 2 = 0), reduce(ARRAY[1, 2, 3], 0, (s, x) -> s + x, s -> s)
SELECT any_match(ARRAY[1, 2], x -> x > 1), all_match(ARRAY[1, 2], x -> x > 1), none_match(ARRAY[1, 2], x -> x > 5)
SELECT zip_with(ARRAY[1, 2], ARRAY[10, 20], (a, b) -> a + b), array_sort(ARRAY[3, 1, 2], (a, b) -> IF(a < b, 1, IF(a = b, 0, -1)))
SELECT transform(ARRAY['a', NULL], x -> coalesce(x, '?')), trim_array(ARRAY[1, 2, 3], 1), array_first(ARRAY[1, 2], x -> x > 1)
SELECT x FROM UNNEST(ARRAY[1, 2, 3]) AS t (x)
SELECT x, n FROM UNNEST(ARRAY['a', 'b']) WITH ORDINALITY AS t (x, n)
SELECT a, b FROM UNNEST(ARRAY[1, 2], ARRAY['x', 'y', 'z']) AS t (a, b)
SELECT k, v FROM UNNEST(MAP(ARRAY['a', 'b'], ARRAY[1, 2])) AS t (k, v) ORDER BY k
SELECT id, x FROM (VALUES (1, ARRAY[10, 20]), (2, ARRAY[30])) AS t (id, list) CROSS JOIN UNNEST(list) AS u (x) ORDER BY id, x
SELECT id, x FROM (VALUES (1, ARRAY[10]), (2, ARRAY[])) AS t (id, list) LEFT JOIN UNNEST(list) AS u (x) ON TRUE ORDER BY id
-- Maps, rows and JSON.
SELECT MAP(ARRAY['a', 'b'], ARRAY[1, 2]), MAP(ARRAY['a', 'b'], ARRAY[1, 2])['b'], element_at(MAP(ARRAY['a'], ARRAY[1]), 'z')
SELECT MAP(ARRAY['a'], ARRAY[1])['z']
SELECT map_keys(MAP(ARRAY['a', 'b'], ARRAY[1, 2])), map_values(MAP(ARRAY['a', 'b'], ARRAY[1, 2])), cardinality(MAP(ARRAY['a'], ARRAY[1]))
SELECT map_concat(MAP(ARRAY['a'], ARRAY[1]), MAP(ARRAY['a', 'b'], ARRAY[9, 2])), map_entries(MAP(ARRAY['a'], ARRAY[1])), map_from_entries(ARRAY[('x', 1), ('y', 2)])
SELECT map_filter(MAP(ARRAY['a', 'b'], ARRAY[1, 2]), (k, v) -> v > 1), transform_values(MAP(ARRAY['a'], ARRAY[1]), (k, v) -> v + 1), transform_keys(MAP(ARRAY['a'], ARRAY[1]), (k, v) -> upper(k))
SELECT split_to_map('a=1,b=2', ',', '='), map_zip_with(MAP(ARRAY['a'], ARRAY[1]), MAP(ARRAY['a'], ARRAY[2]), (k, x, y) -> x + y)
SELECT ROW(1, 'a'), CAST(ROW(1, 'a') AS ROW(x BIGINT, y VARCHAR)), CAST(ROW(1, 'a') AS ROW(x BIGINT, y VARCHAR)).y
SELECT json_extract_scalar('{"a": {"b": "c"}}', '$.a.b'), json_array_length('[1, 2, 3]'), json_size('{"a": {"b": 1, "c": 2}}', '$.a')
SELECT json_extract_scalar('{"a": [1, 2]}', '$.a[1]'), json_extract_scalar('{"a": 1}', '$.z'), is_json_scalar('1')
SELECT json_format(json_parse('{"a":  1}')), json_format(CAST(ARRAY[1, 2] AS JSON)), json_array_contains('[1, 2, 3]', 2)
SELECT CAST(json_parse('[1, 2]') AS ARRAY(BIGINT)), CAST(json_parse('{"a": 1}') AS MAP(VARCHAR, INTEGER))
-- Aggregates.
SELECT count(*), count(x), count(DISTINCT x), sum(x), avg(x), min(x), max(x) FROM (VALUES 1, 2, 2, NULL) AS t (x)
SELECT sum(x), avg(x) FROM (VALUES 1.5, 2.25) AS t (x)
SELECT avg(x), sum(x), stddev(x), stddev_pop(x), variance(x), var_pop(x) FROM (VALUES 1e0, 2e0, 4e0) AS t (x)
SELECT count_if(x > 1), bool_and(x > 0), bool_or(x > 2), every(x > 1) FROM (VALUES 1, 2, 3) AS t (x)
SELECT array_agg(x ORDER BY x DESC), array_agg(DISTINCT x ORDER BY x), array_agg(x ORDER BY x) FILTER (WHERE x > 1) FROM (VALUES 1, 3, 2, 2) AS t (x)
SELECT min_by(n, x), max_by(n, x), max_by(n, x, 2), min(x, 2), max(x, 2) FROM (VALUES (1, 'a'), (3, 'c'), (2, 'b')) AS t (x, n)
SELECT arbitrary(x), any_value(x) FROM (VALUES 7, 7) AS t (x)
SELECT string_agg(x) FROM (VALUES 'a') AS t (x)
SELECT listagg(x, ',') WITHIN GROUP (ORDER BY x) FROM (VALUES 'b', 'a', 'c') AS t (x)
SELECT corr(y, x), covar_pop(y, x), covar_samp(y, x), regr_slope(y, x), regr_intercept(y, x) FROM (VALUES (1e0, 2e0), (2e0, 4.5e0), (3e0, 6e0)) AS t (x, y)
SELECT approx_distinct(x), approx_percentile(x, 0.5), approx_percentile(x, ARRAY[0.25, 0.75]) FROM (VALUES 1, 2, 3, 4, 5) AS t (x)
SELECT geometric_mean(x), skewness(x), kurtosis(x) FROM (VALUES 1e0, 2e0, 3e0, 10e0) AS t (x)
SELECT map_agg(k, v), multimap_agg(k, v), histogram(k) FROM (VALUES ('a', 1), ('b', 2)) AS t (k, v)
SELECT bitwise_and_agg(x), bitwise_or_agg(x), checksum(x) IS NOT NULL FROM (VALUES 6, 3) AS t (x)
SELECT entropy(x), sum(x) FILTER (WHERE x > 1) FROM (VALUES 1, 2, 3) AS t (x)
SELECT reduce_agg(x, 0, (a, b) -> a + b, (a, b) -> a + b) FROM (VALUES 1, 2, 3) AS t (x)
SELECT sum(x), avg(x), count(x), max(x) FROM (SELECT 1 AS x WHERE FALSE) AS t
SELECT k, sum(v) FROM (VALUES ('a', 1), ('b', 2), ('a', 3)) AS t (k, v) GROUP BY k ORDER BY k
SELECT k, count(*) FROM (VALUES 'a', 'b', 'a') AS t (k) GROUP BY 1 HAVING count(*) > 1
SELECT a, b, sum(v), grouping(a, b) FROM (VALUES (1, 'x', 10), (1, 'y', 20)) AS t (a, b, v) GROUP BY ROLLUP (a, b) ORDER BY a NULLS LAST, b NULLS LAST
SELECT a, b, sum(v) FROM (VALUES (1, 'x', 10), (2, 'x', 20)) AS t (a, b, v) GROUP BY GROUPING SETS ((a), (b), ()) ORDER BY a NULLS LAST, b NULLS LAST
SELECT a, b, count(*) FROM (VALUES (1, 'x'), (1, 'y')) AS t (a, b) GROUP BY CUBE (a, b) ORDER BY 1 NULLS LAST, 2 NULLS LAST
SELECT avg(x) FROM (VALUES DECIMAL '1.00', DECIMAL '2.00', DECIMAL '2.01') AS t (x)
SELECT avg(d) FROM (VALUES 1, 2) AS t (d)
SELECT sum(CAST(x AS REAL)) FROM (VALUES 1, 2) AS t (x)
-- Windows.
SELECT x, row_number() OVER (ORDER BY x), rank() OVER (ORDER BY x), dense_rank() OVER (ORDER BY x) FROM (VALUES 10, 20, 20, 30) AS t (x) ORDER BY x, 2
SELECT x, lag(x) OVER (ORDER BY x), lead(x) OVER (ORDER BY x), lag(x, 2, -1) OVER (ORDER BY x) FROM (VALUES 1, 2, 3) AS t (x) ORDER BY x
SELECT x, first_value(x) OVER (ORDER BY x), last_value(x) OVER (ORDER BY x), nth_value(x, 2) OVER (ORDER BY x) FROM (VALUES 1, 2, 3) AS t (x) ORDER BY x
SELECT x, sum(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), avg(x) OVER () FROM (VALUES 1, 2, 3) AS t (x) ORDER BY x
SELECT x, ntile(2) OVER (ORDER BY x), percent_rank() OVER (ORDER BY x), cume_dist() OVER (ORDER BY x) FROM (VALUES 1, 2, 3, 4) AS t (x) ORDER BY x
SELECT k, x, sum(x) OVER (PARTITION BY k ORDER BY x) FROM (VALUES ('a', 1), ('a', 2), ('b', 3)) AS t (k, x) ORDER BY k, x
SELECT x, count(*) OVER w, max(x) OVER w FROM (VALUES 1, 2, 3) AS t (x) WINDOW w AS (ORDER BY x) ORDER BY x
SELECT x, sum(x) OVER (ORDER BY x RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM (VALUES 1, 2, 4) AS t (x) ORDER BY x
SELECT x, lag(x) IGNORE NULLS OVER (ORDER BY n) FROM (VALUES (1, 5), (2, NULL), (3, 7)) AS t (n, x) ORDER BY n
SELECT d, sum(x) OVER (ORDER BY d RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW) FROM (VALUES (DATE '2024-01-01', 1), (DATE '2024-01-02', 2), (DATE '2024-01-05', 3)) AS t (d, x) ORDER BY d
-- Queries.
VALUES (1, 'a'), (2, 'b')
VALUES 1, 2, 3
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t (id, name) ORDER BY id DESC
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT * FROM a CROSS JOIN b
WITH RECURSIVE t (n) AS (VALUES 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t
SELECT DISTINCT x FROM (VALUES 1, 2, 1) AS t (x) ORDER BY x
SELECT x FROM (VALUES 3, NULL, 1) AS t (x) ORDER BY x
SELECT x FROM (VALUES 3, NULL, 1) AS t (x) ORDER BY x DESC
SELECT x FROM (VALUES 3, NULL, 1) AS t (x) ORDER BY x NULLS FIRST LIMIT 2
SELECT x FROM (VALUES 1, 2, 3) AS t (x) ORDER BY x OFFSET 1 LIMIT 1
SELECT x FROM (VALUES 1, 2, 3) AS t (x) ORDER BY x FETCH FIRST 2 ROWS ONLY
SELECT 1 AS x UNION SELECT 1 UNION SELECT 2 ORDER BY x
SELECT 1 AS x UNION ALL SELECT 1
SELECT x FROM (VALUES 1, 2, 3) AS t (x) EXCEPT SELECT 2 ORDER BY x
SELECT x FROM (VALUES 1, 2, 3) AS t (x) INTERSECT SELECT 2
SELECT a.x, b.y FROM (VALUES 1, 2) AS a (x) LEFT JOIN (VALUES (2, 'b')) AS b (x, y) ON a.x = b.x ORDER BY 1
SELECT x, y FROM (VALUES 1) AS a (x) FULL JOIN (VALUES 2) AS b (y) ON x = y ORDER BY 1 NULLS LAST
SELECT id, a, b FROM (VALUES (1, 'a')) AS t (id, a) JOIN (VALUES (1, 'b')) AS u (id, b) USING (id)
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS a (x, y) RIGHT JOIN (VALUES (2, 'c'), (3, 'd')) AS b (x, z) USING (x) ORDER BY x
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS a (x, y) FULL JOIN (VALUES (2, 'c'), (3, 'd')) AS b (x, z) USING (x) ORDER BY x
SELECT * FROM (VALUES (1, 'a')) AS a (x, p) FULL JOIN (VALUES (2, 'b')) AS b (x, q) USING (x) FULL JOIN (VALUES (2, 'c'), (3, 'd')) AS c (x, r) USING (x) ORDER BY x
SELECT x, count(*) AS n FROM (VALUES 1, 2) AS a (x) RIGHT JOIN (VALUES 2, 2, 3) AS b (x) USING (x) GROUP BY x ORDER BY x
SELECT * FROM (VALUES 1, 1, 2) AS t (x) EXCEPT ALL SELECT 1 ORDER BY x
SELECT * FROM (VALUES (1, NULL), (1, NULL), (2, 'a')) AS t (x, y) EXCEPT ALL SELECT * FROM (VALUES (1, CAST(NULL AS varchar))) AS u (x, y) ORDER BY x
SELECT * FROM (VALUES 1, 1, 2) AS t (x) INTERSECT ALL SELECT * FROM (VALUES 1, 1) AS u (x)
SELECT x FROM (VALUES 1, 2) AS t (x) WHERE x IN (SELECT 2)
SELECT x FROM (VALUES 1, 2) AS t (x) WHERE EXISTS (SELECT 1 FROM (VALUES 2) AS u (y) WHERE y = x)
SELECT x, (SELECT max(y) FROM (VALUES 5, 6) AS u (y)) FROM (VALUES 1) AS t (x)
SELECT x FROM (VALUES 1, 2, 3) AS t (x) WHERE x > ALL (SELECT y FROM (VALUES 1, 2) AS u (y))
SELECT x FROM (VALUES 1, 2, 3) AS t (x) WHERE x = ANY (VALUES 1, 3) ORDER BY x
SELECT t.x, u.y FROM (VALUES 1, 2) AS t (x) CROSS JOIN LATERAL (SELECT t.x * 10 AS y) AS u ORDER BY 1
SELECT "x" AS "Upper Name" FROM (VALUES 1) AS t ("x")
SELECT count(*) FROM (VALUES (1, 2)) AS t (a, b) WHERE (a, b) = (1, 2)
SELECT x FROM (VALUES 1, 2) AS t (x) ORDER BY -x
SELECT x + 1 AS x, x AS y FROM (VALUES 1) AS t (x)
SELECT (x > 1) AS big, count(*) FROM (VALUES 1, 2, 3) AS t (x) GROUP BY (x > 1) ORDER BY 1
SELECT nosuch FROM (VALUES 1) AS t (x)
SELECT nosuch(1)
SELECT length(1)
SELECT 1 + 'a'
SELECT x FROM (VALUES 1, 2) AS t (x) GROUP BY x + 1
SELECT sum('a')
SELECT DATE '2024-01-01' + 1
SELECT 'a' || 1
SELECT substr(1, 2)
SELECT CASE WHEN 1 THEN 2 END
SELECT 1 = 'a'
SELECT date_diff('fortnight', DATE '2024-01-01', DATE '2024-02-01')
SELECT TIMESTAMP '2024-01-01 00:00:00.123456' + INTERVAL '1' SECOND
SELECT CAST(TIMESTAMP '2024-01-01 00:00:00.123456' AS TIMESTAMP(3)), CAST(TIMESTAMP '2024-01-01 00:00:00.9996' AS TIMESTAMP(3))
SELECT CAST(TIMESTAMP '2024-01-01 00:00:00' AS VARCHAR), CAST(TIMESTAMP '2024-01-01 00:00:00.123' AS VARCHAR)
SELECT date_trunc('second', TIMESTAMP '2024-01-01 00:00:00.999999'), date_add('day', 1, TIMESTAMP '2024-01-01 00:00:00.123456')
SELECT INTERVAL '1' DAY * 2, INTERVAL '3' MONTH
SELECT x, count(*) FROM (VALUES 'b', 'a', 'b') AS t (x) GROUP BY x ORDER BY count(*) DESC, x
SELECT max(d), min(d) FROM (VALUES DATE '2024-01-01', DATE '2024-06-01') AS t (d)
SELECT approx_percentile(x, 0.9), approx_distinct(x) FROM (SELECT x FROM UNNEST(sequence(1, 100)) AS t (x))
SELECT numeric_histogram(2, x) IS NOT NULL FROM (VALUES 1e0, 2e0) AS t (x)
SELECT sum(x) OVER (PARTITION BY k) * 1.0 / sum(x) OVER () FROM (VALUES ('a', 1), ('b', 3)) AS t (k, x) ORDER BY 1
SELECT k, max(x) - min(x) AS spread, count(DISTINCT x) FROM (VALUES ('a', 1), ('a', 5)) AS t (k, x) GROUP BY k
SELECT CAST(sum(x) AS DOUBLE) / count(*), round(100.0 * sum(x) / 7, 2) FROM (VALUES 1, 2) AS t (x)
SELECT date_diff('day', min(d), max(d)) + 1 FROM (VALUES DATE '2024-01-01', DATE '2024-01-31') AS t (d)
SELECT cosine_similarity(MAP(ARRAY['a'], ARRAY[1e0]), MAP(ARRAY['a'], ARRAY[2e0])), inverse_normal_cdf(0e0, 1e0, 0.5e0), normal_cdf(0e0, 1e0, 1.96e0)
SELECT element_at(split('a-b', '-'), 2), cardinality(split('', ',')), array_join(split('a b', ' '), '+')
SELECT max(x) FILTER (WHERE k = 'a') AS a, max(x) FILTER (WHERE k = 'b') AS b FROM (VALUES ('a', 1), ('b', 2)) AS t (k, x)
SELECT count(*) FROM UNNEST(sequence(DATE '2024-01-01', DATE '2024-12-31')) AS t (d)
SELECT concat(CAST(1 AS VARCHAR), '-', CAST(DATE '2024-01-01' AS VARCHAR))
SELECT round(avg(x), 2), round(stddev(x), 4) FROM (VALUES 1.5e0, 2.5e0, 4e0) AS t (x)
SELECT sum(CASE WHEN k = 'a' THEN 1 ELSE 0 END) AS a, count(*) AS n FROM (VALUES 'a', 'b', 'a') AS t (k)
SELECT k, array_agg(v ORDER BY v)[1] FROM (VALUES ('a', 2), ('a', 1)) AS t (k, v) GROUP BY k
SELECT x FROM (SELECT x, row_number() OVER (ORDER BY x DESC) AS n FROM (VALUES 1, 5, 3) AS t (x)) WHERE n = 1
SELECT date_trunc('month', d) AS m, count(*) FROM (VALUES DATE '2024-01-05', DATE '2024-01-20', DATE '2024-02-01') AS t (d) GROUP BY 1 ORDER BY 1
SELECT a / b, a % b FROM (VALUES (7, 2), (-7, 2)) AS t (a, b) ORDER BY 1
SELECT try(a / b) FROM (VALUES (7, 0), (6, 3)) AS t (a, b) ORDER BY 1
SELECT coalesce(try_cast(x AS DOUBLE), 0) FROM (VALUES '1.5', 'x') AS t (x) ORDER BY 1
SELECT lower(trim(x)) FROM (VALUES '  Ab ', 'CD') AS t (x) ORDER BY 1
SELECT nullif(trim(x), '') FROM (VALUES ' ', 'a') AS t (x) ORDER BY 1
SELECT count(DISTINCT (a, b)) FROM (VALUES (1, 'x'), (1, 'x'), (2, 'x')) AS t (a, b)
SELECT sum(v) AS total FROM (VALUES DECIMAL '1.10', DECIMAL '2.20') AS t (v)
SELECT CAST(1.005 AS DECIMAL(10,2)), CAST(1.115e0 AS DECIMAL(10,2)), CAST(-2.5 AS DECIMAL(10,0))
SELECT DECIMAL '1' / DECIMAL '3', DECIMAL '10.00' / DECIMAL '4', DECIMAL '1.000' * 3
SELECT 0.1 + 0.2, 0.1e0 + 0.2e0, 1e15 + 0.3e0
SELECT CAST('2024-02-30' AS DATE)
SELECT extract(WEEK FROM DATE '2024-01-01'), extract(QUARTER FROM DATE '2024-04-01'), extract(MINUTE FROM TIMESTAMP '2024-01-01 00:59:00')
SELECT first_value(x) IGNORE NULLS OVER (ORDER BY n) FROM (VALUES (1, NULL), (2, 5)) AS t (n, x) ORDER BY 1
SELECT max_by(v, d) FROM (VALUES (DATE '2024-01-01', 'old'), (DATE '2024-02-01', 'new')) AS t (d, v)
SELECT regexp_replace(' a  b ', '\s+', ' '), regexp_like('abc', '^a.c$'), regexp_extract('x', 'y')
SELECT sum(x) FROM (VALUES BIGINT '9223372036854775807', BIGINT '1') AS t (x)
SELECT avg(x), typeof(avg(x)) FROM (VALUES DECIMAL '1.5') AS t (x) GROUP BY TRUE

-- JSON.
SELECT json_extract_scalar('{"a": {"b c": 1.50}}', '$.a["b c"]'), json_extract_scalar('{"a": true}', '$.a'), json_extract_scalar('{"a": null}', '$.a'), json_extract_scalar('{"a": [1]}', '$.a')
SELECT json_extract_scalar('no json', '$.a'), json_extract_scalar('{"a": 12345678901234567890}', '$.a'), json_extract_scalar('[10, 20]', '$[1]'), json_extract_scalar(NULL, '$.a')
SELECT json_format(json_extract('{"a": {"z": 1.50, "b": [1, 2]}}', '$.a')), json_format(json_extract('{"a": null}', '$.a')), json_extract('{"a": 1}', '$.b') IS NULL
SELECT json_format(json_parse('{"b": 1, "a": [true, null, 1.50, 1e2, "\u00e9"], "b": 2}'))
SELECT json_parse('{"a": 1')
SELECT json_array_length('[]'), json_array_length('{}'), json_array_length('x'), json_array_length(json_parse('[1, [2, 3]]'))
SELECT json_array_contains('[1, 2.5, "a", true]', 1), json_array_contains('[1, 2.5, "a", true]', 2.5e0), json_array_contains('[1, 2.5, "a", true]', 'a'), json_array_contains('[1, 2.5, "a", true]', true), json_array_contains('{}', 1)
SELECT json_size('{"a": [1, 2, 3]}', '$.a'), json_size('{"a": {"b": 1}}', '$.a'), json_size('{"a": 1}', '$.a'), json_size('{"a": 1}', '$.b')
SELECT is_json_scalar('null'), is_json_scalar('"a"'), is_json_scalar('[1]')
SELECT CAST(JSON '"a"' AS VARCHAR), CAST(JSON '1' AS VARCHAR), CAST(JSON 'true' AS VARCHAR), CAST(JSON 'null' AS VARCHAR)
SELECT CAST(JSON '128.5' AS VARCHAR)
SELECT CAST(JSON '1' AS BIGINT), CAST(JSON '1.5' AS BIGINT), CAST(JSON '"7"' AS BIGINT), CAST(JSON 'true' AS BIGINT), CAST(JSON '1.25' AS DOUBLE), CAST(JSON '1' AS BOOLEAN)
SELECT CAST(JSON '[1]' AS BIGINT)
SELECT TRY_CAST(JSON '"x"' AS BIGINT), CAST(JSON '1.25' AS DECIMAL(5,1)), CAST(JSON '7' AS INTEGER)
SELECT json_format(CAST('a"b' AS JSON)), json_format(CAST(1.5e0 AS JSON)), json_format(CAST(true AS JSON)), json_format(CAST(DECIMAL '1.50' AS JSON)), json_format(CAST(DATE '2024-01-02' AS JSON))
SELECT json_format(CAST(ARRAY['a', NULL] AS JSON)), json_format(CAST(ARRAY[1e0, 2.5e0] AS JSON)), json_format(CAST(TIMESTAMP '2024-01-02 03:04:05.600' AS JSON))
SELECT CAST(JSON '["a", null]' AS ARRAY(VARCHAR)), CAST(JSON '[[1], []]' AS ARRAY(ARRAY(INTEGER))), CAST(JSON '{"a": 1.5}' AS MAP(VARCHAR, DOUBLE))
SELECT json_value('{"a": [{"b": 1}]}', 'lax $.a[0].b'), json_exists('{"a": 1}', 'lax $.a'), json_exists('{"a": 1}', 'lax $.b'), json_query('{"a": [1, 2]}', 'lax $.a')
SELECT json_value('{"a": [{"b": 1}, {"b": 2}]}', 'lax $.a.b'), json_value('{"a": {"b": 1}}', 'lax $.a'), json_value('x', 'lax $.a'), json_exists('x', 'lax $.a')
-- Bytes, hashes, URLs.
SELECT to_hex(from_hex('0aFF')), from_hex('0aFF'), to_base64(X'fffefd'), to_base64url(X'fffefd'), from_base64url('__79')
SELECT from_hex('0a1')
SELECT sha512(to_utf8('abc')), md5(to_utf8('')), xxhash64(to_utf8('')), crc32(to_utf8(''))
SELECT from_utf8(X'61ff62'), to_utf8('é'), from_big_endian_64(X'000000000000ff01')
SELECT url_extract_protocol('https://u@e.com:8080/a/b?x=1&y=%20z#f'), url_extract_host('https://u@e.com:8080/a/b'), url_extract_port('https://e.com:8080/a'), url_extract_path('https://e.com/a/b?x'), url_extract_query('https://e.com/a?x=1&y=2'), url_extract_fragment('https://e.com/a#f')
SELECT url_extract_host('not a url'), url_extract_path('https://e.com'), url_extract_port('https://e.com'), url_extract_parameter('https://e.com?a=1&b=%20z&c', 'b'), url_extract_parameter('https://e.com?a=1&c', 'c'), url_extract_parameter('https://e.com?a=1', 'z')
SELECT url_encode('a-b_c.d*e~é /'), url_decode('%C3%A9+%2F')
SELECT url_decode('%zz')
-- Text.
SELECT trim(BOTH 'xy' FROM 'xyaxy'), trim(TRAILING 'x' FROM 'axx'), ltrim('  a'), rtrim('a  '), trim('  a ')
SELECT strpos('banana', 'ana', 2), strpos('banana', 'an', -1), strpos('banana', 'z', 2), strpos('', ''), strpos('abc', '')
SELECT split('a,b,,c', ','), split('a,b,c', ',', 1), split('', ','), split_part('a,b', ',', 3), split('日本、東京', '、')
SELECT split('a', '')
SELECT chr(233), codepoint('é'), levenshtein_distance('é', 'e'), levenshtein_distance('', 'abc'), hamming_distance('', '')
SELECT hamming_distance('a', 'ab')
SELECT soundex('Ashcraft'), soundex('Tymczak'), soundex('Pfister'), soundex('Honeyman')
SELECT length(normalize('é', NFD)), normalize('ﬁ', NFKC), normalize('a')
SELECT regexp_extract_all('1a 2b 14m', '(\d+)([a-z]+)', 2), regexp_extract_all('abc', '\d'), regexp_extract_all('a1', '(x)?(\d)', 1)
SELECT regexp_position('9102, say good bye', '\s*[a-z]+\b', 5), regexp_position('9102, say good bye', '\s*[a-z]+\b', 5, 2), regexp_position('abc', 'x'), regexp_position('éab', 'a')
SELECT regexp_count('1a 2b', ''), regexp_split('a1b2', '\d'), regexp_replace('fun games', '(\w)(\w*)', '$2$1')
SELECT translate('abcd', 'ab', 'x'), translate('aba', 'aa', 'xy'), translate('é', 'é', 'e'), luhn_check('4242424242424242'), luhn_check('123')
SELECT format('%,d|%(d|%+d|%-6d|%06d', 1234567, -5, 5, 42, 42), format('%.3f|%10.2f|%,.2f', 3.14159e0, 2.675e0, 1234567.891e0), format('%s %s %s', true, 1.5e0, DECIMAL '2.50')
SELECT format('%2$s-%1$s', 'a', 'b'), format('%5s|%-5s|%S', 'a', 'b', 'c'), format('%%'), format('%s', NULL), format('%x', 255), format('%.1f', DECIMAL '2.25'), format('%b', true)
SELECT format('%d', 'a')
SELECT U&'\+01F600', lower('ÄÖ'), upper('straße'), reverse('abé'), length('日本')
-- Numbers.
SELECT truncate(DECIMAL '12.345'), truncate(DECIMAL '-12.345', 1), truncate(DECIMAL '12.345', -1), truncate(REAL '1.9'), truncate(7)
SELECT width_bucket(0e0, 0e0, 10e0, 5), width_bucket(10e0, 0e0, 10e0, 5), width_bucket(9.99e0, 0e0, 10e0, 5), width_bucket(3e0, 10e0, 0e0, 5), width_bucket(11e0, 10e0, 0e0, 5), width_bucket(10e0, 10e0, 0e0, 5), width_bucket(0e0, 10e0, 0e0, 5)
SELECT width_bucket(1e0, 0e0, 10e0, 0)
SELECT bitwise_left_shift(1, 31), bitwise_left_shift(1, 32), bitwise_right_shift(-8, 1), bitwise_right_shift(CAST(-8 AS BIGINT), 1), bitwise_right_shift_arithmetic(-8, 1), bitwise_left_shift(CAST(1 AS BIGINT), 40)
SELECT bit_count(-7, 64), bit_count(7, 8), bit_count(-1, 2), bitwise_and(-1, 255), bitwise_xor(CAST(NULL AS BIGINT), 1)
SELECT bit_count(300, 8)
SELECT to_base(-255, 16), to_base(0, 2), from_base('-zz', 36), from_base('7fffffffffffffff', 16)
SELECT from_base('8', 8)
SELECT normal_cdf(1e0, 2e0, 3e0), inverse_normal_cdf(0e0, 1e0, 0.975e0), inverse_normal_cdf(10e0, 2e0, 0.1e0)
SELECT is_infinite(-infinity()), is_finite(nan()), is_nan(0e0)
-- Moments.
SELECT CAST(TIMESTAMP '2024-01-01 00:00:00.123456' AS VARCHAR), CAST(TIMESTAMP '2024-01-01 00:00:00.123 UTC' AS VARCHAR), CAST(DATE '2024-01-01' AS VARCHAR), CAST(CAST(TIMESTAMP '2024-01-01 00:00:00' AS TIMESTAMP(6)) AS VARCHAR)
SELECT CAST(TIMESTAMP '2024-07-01 12:00:00 +02:00' AS VARCHAR), CAST(TIMESTAMP '2024-07-01 12:00:00 Europe/Oslo' AS VARCHAR), hour(TIMESTAMP '2024-07-01 12:00:00 Europe/Oslo'), day(TIMESTAMP '2024-07-01 00:30:00 +02:00')
SELECT TIMESTAMP '2024-07-01 12:00:00 +02:00' = TIMESTAMP '2024-07-01 10:00:00 UTC', TIMESTAMP '2024-07-01 12:00:00 Europe/Oslo' < TIMESTAMP '2024-07-01 12:00:00 America/New_York'
SELECT CAST(date_trunc('hour', TIMESTAMP '2024-01-01 10:20:30.123') AS VARCHAR), CAST(date_add('day', 1, TIMESTAMP '2024-01-01 10:20:30') AS VARCHAR), CAST(date_add('month', 1, TIMESTAMP '2024-01-31 10:20:30.123456') AS VARCHAR)
SELECT CAST(TIMESTAMP '2024-01-01 00:00:00' + INTERVAL '1' DAY AS VARCHAR), CAST(TIMESTAMP '2024-01-01 00:00:00' + INTERVAL '1' MONTH AS VARCHAR), CAST(DATE '2024-01-31' + INTERVAL '1' MONTH AS VARCHAR)
SELECT to_iso8601(TIMESTAMP '2024-02-10 01:02:03.450'), to_iso8601(TIMESTAMP '2024-02-10 01:02:03 UTC'), to_iso8601(TIMESTAMP '2024-02-10 01:02:03.000 +02:00')
SELECT timezone_hour(TIMESTAMP '2024-07-01 12:00:00 America/New_York'), timezone_minute(TIMESTAMP '2024-07-01 12:00:00 +05:30'), timezone_hour(TIMESTAMP '2024-07-01 12:00:00 UTC')
SELECT human_readable_seconds(0), human_readable_seconds(59.6e0), human_readable_seconds(96), human_readable_seconds(1000000)
SELECT to_milliseconds(INTERVAL '1' DAY), to_milliseconds(INTERVAL '1.5' SECOND), to_milliseconds(INTERVAL '1' DAY * 2), to_milliseconds(INTERVAL '1 02:03:04' DAY TO SECOND), to_milliseconds(INTERVAL '90' MINUTE / 2)
SELECT DATE '2024-01-31' + INTERVAL '1-1' YEAR TO MONTH, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL '1 02:03' DAY TO MINUTE, TIMESTAMP '2024-01-01 00:00:00' - INTERVAL '02:03:04' HOUR TO SECOND, DATE '2024-01-01' + 2 * INTERVAL '1' DAY
SELECT at_timezone(TIMESTAMP '2024-07-01 12:00:00 UTC', 'Asia/Tokyo') = TIMESTAMP '2024-07-01 21:00:00 Asia/Tokyo', CAST(TIMESTAMP '2024-07-01 12:00:00 UTC' AT TIME ZONE 'Asia/Tokyo' AS VARCHAR)
SELECT date_add('quarter', 1, DATE '2024-11-30'), date_add('week', -1, DATE '2024-01-03'), date_add('millisecond', 5, TIMESTAMP '2024-01-01 00:00:00.000'), date_add('minute', 90, TIMESTAMP '2024-01-01 00:00:00')
SELECT date_add('hour', 1, DATE '2024-01-01')
-- Types.
SELECT typeof(CAST(1 AS BIGINT) + 1), typeof(1e0 + 1), typeof(REAL '1' + 1), typeof(sum(1)), typeof(avg(1)), typeof(sum(1.5)), typeof(count(*))
SELECT typeof(TIMESTAMP '2020-01-01 00:00:00'), typeof(date_trunc('day', TIMESTAMP '2020-01-01 00:00:00.123')), typeof(now()), typeof(json_parse('1')), typeof(to_utf8('a'))
SELECT x + 1, x * 2, x - y, x / 2 FROM (VALUES (1, 2)) AS t (x, y)
SELECT x + CAST(1 AS BIGINT), -x, abs(x), x % 2 FROM (VALUES 3) AS t (x)
-- Aggregates.
SELECT avg(CAST(x AS REAL)), sum(CAST(x AS REAL)), k FROM (VALUES ('a', 1), ('a', 2), ('b', 4)) AS t (k, x) GROUP BY k ORDER BY k
SELECT geometric_mean(x), geometric_mean(y) FROM (VALUES (1, 2e0), (4, 8e0)) AS t (x, y)
SELECT skewness(x), kurtosis(x) FROM (VALUES 1e0, 2e0) AS t (x)
SELECT k, skewness(x), kurtosis(x) FROM (VALUES ('a', 1), ('a', 2), ('a', 3), ('a', 10), ('b', 5), ('b', 5), ('b', 5)) AS t (k, x) GROUP BY k ORDER BY k
SELECT regr_slope(y, x), regr_intercept(y, x), regr_r2(y, x), regr_count(y, x), regr_sxx(y, x), regr_sxy(y, x), regr_syy(y, x), regr_avgx(y, x), regr_avgy(y, x) FROM (VALUES (1e0, 2e0), (2e0, 4.5e0), (NULL, 1e0), (3e0, 6e0)) AS t (x, y)
SELECT regr_slope(y, x), regr_r2(y, x), corr(y, x), covar_samp(y, x), covar_pop(y, x) FROM (VALUES (1e0, 2e0)) AS t (x, y)
SELECT bitwise_and_agg(x), bitwise_or_agg(x), bitwise_xor_agg(x) FROM (VALUES 6, 3, NULL) AS t (x)
SELECT max_by(n, x, 2), min_by(n, x, 5), max(x, 2), min(x, 1) FROM (VALUES (1, 'a'), (3, 'c'), (2, 'b'), (NULL, 'd')) AS t (x, n)
SELECT approx_percentile(x, 0.5), approx_percentile(x, ARRAY[0.1, 0.9]), approx_percentile(CAST(x AS DOUBLE), 0.5) FROM (VALUES 1, 2, 3, 4, 100) AS t (x)
SELECT approx_percentile(x, w, 0.5) FROM (VALUES (1, 1), (2, 5), (3, 1)) AS t (x, w)
SELECT approx_distinct(x), approx_distinct(y) FROM (VALUES (1, 'a'), (2, 'a'), (NULL, 'b')) AS t (x, y)
SELECT sum(x), avg(x), geometric_mean(x), approx_percentile(x, 0.5), max_by(x, x, 2), bitwise_or_agg(x) FROM (SELECT 1 AS x WHERE false) AS t
-- Queries.
SELECT x FROM (VALUES 1, 2, 3) AS t (x) ORDER BY x OFFSET 1 ROWS FETCH NEXT ROW ONLY
SELECT x FROM (VALUES 1, 2, 3) AS t (x) WHERE x <> ALL (VALUES 1, 3)
SELECT x FROM (VALUES 1, 2, 3) AS t (x) WHERE x > SOME (SELECT 1) ORDER BY x DESC
SELECT k, j, sum(x) FROM (VALUES ('a', 'u', 1), ('a', 'v', 2), ('b', 'u', 4)) AS t (k, j, x) GROUP BY CUBE (k, j) ORDER BY k, j
SELECT k, sum(x), grouping(k) FROM (VALUES ('a', 1), ('b', 4)) AS t (k, x) GROUP BY ROLLUP (k) ORDER BY k
SELECT json_extract_scalar('no json', '$.a'), json_extract_scalar('{"a": 12345678901234567890}', '$.a'), json_extract_scalar('[10, 20]', '$[1]'), json_extract_scalar(CAST(NULL AS VARCHAR), '$.a')
SELECT format('%2$s-%1$s', 'a', 'b'), format('%5s|%-5s|%S', 'a', 'b', 'c'), format('%s', NULL), format('%x', 255), format('%.1f', DECIMAL '2.25'), format('%b', true), format('%%%d', 1)
SELECT regr_slope(y, x), regr_intercept(y, x) FROM (VALUES (1e0, 2e0), (2e0, 4.5e0), (NULL, 1e0), (3e0, 6e0)) AS t (x, y)
SELECT regr_slope(y, x), corr(y, x), covar_samp(y, x), covar_pop(y, x) FROM (VALUES (1e0, 2e0)) AS t (x, y)
SELECT corr(y, x), regr_slope(y, x) FROM (VALUES (1e0, 2e0), (1e0, 3e0)) AS t (x, y)
SELECT sum(x), sum(CAST(x AS DOUBLE)), avg(x), avg(CAST(x AS DOUBLE)) FROM (VALUES 1, 2) AS t (x)
SELECT stddev(x), variance(x), stddev_pop(x), var_pop(x) FROM (VALUES 1, 2, 4) AS t (x)
SELECT stddev(x), variance(x), stddev_pop(x) FROM (VALUES 1) AS t (x)
SELECT approx_percentile(x, 0.25), approx_percentile(x, 0.99) FROM (VALUES 1e0, 2e0, 3e0, 10e0) AS t (x)
SELECT approx_percentile(x, 0.33) FROM (VALUES 1, 2, 7, 9) AS t (x)
SELECT listagg(x, ',') WITHIN GROUP (ORDER BY x DESC), listagg(x, '') WITHIN GROUP (ORDER BY x) FROM (VALUES 'a', 'b', NULL) AS t (x)
SELECT arbitrary(x), any_value(x), count_if(x > 1), bool_and(x > 0), every(x > 1), bool_or(x > 1) FROM (VALUES 2, 2, NULL) AS t (x)
SELECT width_bucket(nan(), 0e0, 10e0, 5)
SELECT date_parse('2024-01-02 03:04:05.123', '%Y-%m-%d %H:%i:%s.%f'), date_format(TIMESTAMP '2024-01-02 13:04:05.123', '%W %M %e %h %p %j %f %y %T %k')
SELECT date_parse('x', '%Y')
SELECT format_datetime(TIMESTAMP '2024-01-02 13:04:05.123', 'EEE MMM d yy hh:mm a SSS'), parse_datetime('2024-01-02 03:04:05 +0200', 'yyyy-MM-dd HH:mm:ss Z')
SELECT CAST('2024-01-02 03:04:05.123456' AS TIMESTAMP(3)), CAST('2024-01-02' AS TIMESTAMP(0)), CAST(CAST('2024-01-02 03:04:05.123' AS TIMESTAMP(3)) AS VARCHAR), CAST(TIMESTAMP '2024-01-02 03:04:05.999' AS DATE)
SELECT CAST(1e0 AS VARCHAR), CAST(1.50 AS VARCHAR), CAST(true AS VARCHAR), CAST(REAL '0.1' AS VARCHAR), CAST(1e20 AS VARCHAR), CAST(BIGINT '-7' AS VARCHAR)
SELECT TRY(1 / 0), TRY(CAST('x' AS BIGINT)), TRY(json_parse('x')) IS NULL, TRY(from_hex('0')) IS NULL
SELECT lag(x) OVER (ORDER BY x), lead(x, 2, -1) OVER (ORDER BY x), ntile(2) OVER (ORDER BY x), percent_rank() OVER (ORDER BY x), cume_dist() OVER (ORDER BY x), nth_value(x, 2) OVER (ORDER BY x) FROM (VALUES 1, 2, 3) AS t (x) ORDER BY x
SELECT sum(x) OVER (ORDER BY d RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW) FROM (VALUES (DATE '2024-01-01', 1), (DATE '2024-01-02', 2), (DATE '2024-01-05', 4)) AS t (d, x) ORDER BY d
SELECT sum(x) OVER (ORDER BY x GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM (VALUES 1, 1, 2, 5) AS t (x) ORDER BY x
SELECT upper('ǆ'), lower('İ'), upper('ﬁ'), lower('ΑΣ'), upper('éñ')
SELECT truncate(BIGINT '7'), truncate(1.9), truncate(-1.9e0)
SELECT DECIMAL '1' / 3, 1 / DECIMAL '3.00', 10.0 % 3, -DECIMAL '1.5', abs(DECIMAL '-1.5'), DECIMAL '99999999999999999999' * 10
SELECT date_diff('week', DATE '2024-01-01', DATE '2024-01-15'), date_diff('quarter', DATE '2024-01-31', DATE '2024-04-30'), date_diff('millisecond', TIMESTAMP '2024-01-01 00:00:00', TIMESTAMP '2024-01-01 00:00:00.005'), date_diff('day', DATE '2024-01-02', DATE '2024-01-01'), date_diff('year', DATE '2020-02-29', DATE '2021-02-28')
SELECT to_milliseconds(TIMESTAMP '2024-03-01 00:00:00.5' - TIMESTAMP '2024-01-01 00:00:00'), to_milliseconds(DATE '2024-03-01' - DATE '2024-01-01'), DATE '2024-03-01' - DATE '2024-01-01' > INTERVAL '1' DAY
SELECT hour(TIME '12:34:56'), minute(TIME '12:34:56'), second(TIME '12:34:56.789')
SELECT ln(-1e0), sqrt(-1e0), log10(0e0), power(0e0, -1e0), mod(-7, 3), cbrt(27e0), log(2e0, 8e0)
SELECT greatest(1, 2.5), least('b', 'a'), greatest(NULL, 1), coalesce(NULL, 1.5, 2), nullif(1, 1.0), if(false, 1)
