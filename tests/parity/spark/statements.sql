-- The language beyond functions: statements whose answers depend on nothing but themselves, one a line.
-- Rows as columns, columns as rows.
SELECT * FROM (SELECT * FROM VALUES (2023, 'q1', 10), (2023, 'q2', 20), (2024, 'q1', 30), (2024, 'q1', 5) AS t(year, quarter, amount)) PIVOT (sum(amount) FOR quarter IN ('q1', 'q2')) ORDER BY year
SELECT * FROM (SELECT * FROM VALUES (2023, 'q1', 10), (2023, 'q2', 20), (2024, 'q1', 30) AS t(year, quarter, amount)) PIVOT (sum(amount) AS total, count(*) AS n FOR quarter IN ('q1' AS first, 'q2' AS second)) ORDER BY year
SELECT * FROM (SELECT * FROM VALUES (2023, 'q1', 10), (2024, 'q1', 30) AS t(year, quarter, amount)) PIVOT (count(amount) FOR quarter IN ('q1', 'q3')) ORDER BY year
SELECT * FROM (SELECT * FROM VALUES (2023, 'q1', 'a'), (2024, 'q2', 'b') AS t(year, quarter, name)) PIVOT (max(name) FOR quarter IN ('q1', 'q2')) ORDER BY year
SELECT * FROM (SELECT * FROM VALUES (2023, 'q1', 10), (2024, 'q2', 30) AS t(year, quarter, amount)) PIVOT (max(amount) FOR (year, quarter) IN ((2023, 'q1') AS a, (2024, 'q2') AS b, (2024, 'q1') AS c))
SELECT * FROM (SELECT * FROM VALUES (1, true, 1.5), (1, false, 2.5), (2, true, 3.5) AS t(id, flag, x)) PIVOT (avg(x) FOR flag IN (true, false)) ORDER BY id
SELECT * FROM (SELECT * FROM VALUES (1, NULL, 10), (2, 'a', 20) AS t(id, k, x)) PIVOT (sum(x) FOR k IN ('a', NULL)) ORDER BY id
SELECT * FROM (SELECT * FROM VALUES (1, 10, NULL), (2, 30, 40) AS t(id, a, b)) UNPIVOT (v FOR name IN (a, b)) ORDER BY id, name
SELECT * FROM (SELECT * FROM VALUES (1, 10, NULL), (2, 30, 40) AS t(id, a, b)) UNPIVOT INCLUDE NULLS (v FOR name IN (a AS first, b AS second)) ORDER BY id, name
SELECT * FROM (SELECT * FROM VALUES (1, 10, 11, 20, 21) AS t(id, a1, a2, b1, b2)) UNPIVOT ((x, y) FOR name IN ((a1, a2) AS a, (b1, b2) AS b)) ORDER BY name
SELECT * FROM (SELECT * FROM VALUES (1, 10, 2.5) AS t(id, a, b)) UNPIVOT (v FOR name IN (a, b)) ORDER BY name
-- Lists as rows.
SELECT id, x FROM VALUES (1, array(10, 20)), (2, CAST(array() AS ARRAY<INT>)), (3, NULL) AS t(id, l) LATERAL VIEW explode(l) v AS x ORDER BY id, x
SELECT id, x FROM VALUES (1, array(10, 20)), (2, CAST(array() AS ARRAY<INT>)), (3, NULL) AS t(id, l) LATERAL VIEW OUTER explode(l) v AS x ORDER BY id, x
SELECT id, p, x FROM VALUES (1, array(10, 20)), (3, NULL) AS t(id, l) LATERAL VIEW OUTER posexplode(l) v AS p, x ORDER BY id, p
SELECT id, k, v FROM VALUES (1, map('a', 1, 'b', 2)) AS t(id, m) LATERAL VIEW explode(m) e AS k, v ORDER BY k
SELECT a.id, v.x FROM (SELECT 1 AS id, array(1, 2) AS l) a JOIN (SELECT 1 AS id) b ON a.id = b.id LATERAL VIEW explode(a.l) v AS x ORDER BY x
SELECT x, y FROM VALUES (array(array(1, 2), array(3))) AS t(l) LATERAL VIEW explode(l) a AS x LATERAL VIEW explode(x) b AS y ORDER BY y
SELECT id, explode(l) AS x FROM VALUES (1, array(10, 20)) AS t(id, l) ORDER BY x
SELECT inline(array(named_struct('a', 1, 'b', 'x'), named_struct('a', 2, 'b', 'y')))
SELECT id, s.a FROM VALUES (1, array(named_struct('a', 1, 'b', 'x'))) AS t(id, l) LATERAL VIEW explode(l) v AS s
SELECT t.id, u.y FROM VALUES (1), (2) AS t(id), LATERAL (SELECT t.id * 10 AS y) AS u ORDER BY id
SELECT t.id, e.x FROM VALUES (1, array(5, 6)) AS t(id, l), LATERAL explode(t.l) AS e(x) ORDER BY x
SELECT * FROM explode(array(1, 2)) AS e(x) ORDER BY x
SELECT * FROM range(3) ORDER BY id
-- Types beside types.
SELECT 1 + '2', '3' * 2, 1 + 1.5, 1 + 1.5D, '1' + '2'
SELECT 1 = '1', '2' > 1, 1.0 = 1, 'a' = 'A', true = 'true'
SELECT 1 IN ('1', '2'), '1' IN (1, 2), 3 BETWEEN '1' AND 5
SELECT DATE'2024-01-01' = '2024-01-01', TIMESTAMP'2024-01-01 00:00:00' = DATE'2024-01-01', DATE'2024-01-02' > TIMESTAMP'2024-01-01 12:00:00'
SELECT coalesce(1, 2.5), coalesce(NULL, 'a'), coalesce(1, 2L), coalesce(DATE'2024-01-01', TIMESTAMP'2024-01-01 01:00:00')
SELECT CASE WHEN true THEN 1 ELSE 2.5 END, CASE WHEN false THEN 1 ELSE 'a' END, if(true, 1L, 2)
SELECT * FROM VALUES (1), (2.5) AS t(x)
SELECT * FROM VALUES (DATE'2024-01-01'), (TIMESTAMP'2024-01-01 12:00:00') AS t(x)
SELECT 1 AS x UNION ALL SELECT 2.5 ORDER BY x
SELECT 1 AS x UNION SELECT 2L UNION SELECT 1 ORDER BY x
SELECT array(1, 2.5), map('a', 1, 'b', 2L), array(1, NULL)
SELECT 'a' || 1, 1 || 2, concat('a', 1, true), 'x' || NULL
SELECT NULL + 1, NULL = NULL, NULL <=> NULL, 1 <=> NULL, NOT NULL
SELECT CAST('12' AS INT), CAST(' 12 ' AS INT), CAST(12.9 AS INT), CAST(-12.9 AS INT), CAST(true AS INT), CAST('1e2' AS DOUBLE)
SELECT CAST('abc' AS INT)
SELECT TRY_CAST('abc' AS INT), TRY_CAST('999' AS TINYINT), TRY_CAST('2024-13-01' AS DATE)
SELECT CAST(300 AS TINYINT)
SELECT CAST(1.255 AS DECIMAL(5, 2)), CAST(1.245 AS DECIMAL(5, 2)), CAST('1.255' AS DECIMAL(5, 2)), CAST(-1.255 AS DECIMAL(5, 2))
SELECT CAST(123456 AS DECIMAL(4, 1))
SELECT CAST(DATE'2024-01-01' AS STRING), CAST(TIMESTAMP'2024-01-01 00:00:00.120' AS STRING), CAST(1.0D AS STRING), CAST(1e20 AS STRING), CAST(1.5F AS STRING)
SELECT CAST('2024-02-30' AS DATE)
SELECT CAST('2024-1-5' AS DATE), CAST('2024' AS DATE), CAST('2024-01-05 10:00:00' AS DATE), CAST('2024-01-05T10:11:12Z' AS TIMESTAMP)
SELECT CAST(0 AS BOOLEAN), CAST('yes' AS BOOLEAN), CAST('f' AS BOOLEAN)
SELECT CAST(X'41' AS STRING), CAST('A' AS BINARY), X'1F'
-- Numbers that do not fit.
SELECT 2147483647 + 1
SELECT 9223372036854775807 + 1
SELECT 1 / 0
SELECT 1 % 0
SELECT try_divide(1, 0), try_add(2147483647, 1), try_multiply(9223372036854775807, 2L)
SELECT 1.0D / 0
SELECT CAST(1 AS DECIMAL(38, 0)) * 99999999999999999999999999999999999999
SELECT -2147483648 DIV -1, 7 DIV 2, -7 DIV 2, -7 % 3, pmod(-7, 3)
SELECT 10 / 4, 10 / 5, 7.0 / 2, CAST(1 AS DECIMAL(10, 2)) / CAST(3 AS DECIMAL(10, 2))
SELECT 1.1 + 2.22, 1.1 * 2.22, 1.1 - 2.22, 1.10 / 3, CAST(1.1 AS DECIMAL(38, 10)) * CAST(2.2 AS DECIMAL(38, 10))
SELECT sum(x), avg(x) FROM VALUES (1.10), (2.25) AS t(x)
SELECT sum(x), avg(x), typeof(sum(x)), typeof(avg(x)) FROM VALUES (1), (2) AS t(x)
SELECT 0.1 + 0.2, 0.1D + 0.2D, 1e308 * 10, 5 / 2.0
SELECT round(2.5), round(3.5), round(-2.5), round(2.567, 2), round(1234, -2), bround(2.5), bround(3.5)
-- Order and nulls.
SELECT x FROM VALUES (1), (NULL), (3) AS t(x) ORDER BY x
SELECT x FROM VALUES (1), (NULL), (3) AS t(x) ORDER BY x DESC
SELECT x FROM VALUES (1), (NULL), (3) AS t(x) ORDER BY x NULLS LAST
SELECT x FROM VALUES (1), (NULL), (3) AS t(x) ORDER BY x DESC NULLS FIRST
SELECT x FROM VALUES ('b'), ('A'), ('a') AS t(x) ORDER BY x
SELECT x FROM VALUES (CAST('NaN' AS DOUBLE)), (1.0D), (CAST('Infinity' AS DOUBLE)) AS t(x) ORDER BY x DESC
SELECT max(x), min(x), count(x), count(*) FROM VALUES (1), (NULL), (3) AS t(x)
SELECT count(DISTINCT x), count(DISTINCT x, y) FROM VALUES (1, 'a'), (1, 'b'), (NULL, 'c') AS t(x, y)
SELECT x IN (1, NULL), x NOT IN (1, NULL) FROM VALUES (1), (2) AS t(x) ORDER BY x
SELECT CAST('NaN' AS DOUBLE) = CAST('NaN' AS DOUBLE), CAST('NaN' AS DOUBLE) > CAST('Infinity' AS DOUBLE), 0.0D = -0.0D
-- Groups.
SELECT k, sum(x) FROM VALUES ('a', 1), ('b', 2), ('a', 3) AS t(k, x) GROUP BY ALL ORDER BY k
SELECT k, count(*) AS n FROM VALUES ('a', 1), ('b', 2), ('a', 3) AS t(k, x) GROUP BY 1 HAVING count(*) > 1
SELECT k, j, sum(x) FROM VALUES ('a', 'x', 1), ('a', 'y', 2), ('b', 'x', 3) AS t(k, j, x) GROUP BY k, j WITH ROLLUP ORDER BY k, j
SELECT k, j, sum(x), grouping_id(k, j) FROM VALUES ('a', 'x', 1), ('b', 'x', 3) AS t(k, j, x) GROUP BY CUBE (k, j) ORDER BY k, j, 4
SELECT k, j, sum(x) FROM VALUES ('a', 'x', 1), ('b', 'y', 3) AS t(k, j, x) GROUP BY GROUPING SETS ((k), (j), ()) ORDER BY k, j
SELECT sum(x) FILTER (WHERE x > 1), count_if(x > 1), any_value(x), bool_or(x > 2), every(x > 0) FROM VALUES (1), (2), (3) AS t(x)
SELECT collect_list(x), array_sort(collect_set(x)) FROM VALUES (2), (1), (2), (NULL) AS t(x)
SELECT max_by(y, x), min_by(y, x), first(y), last(y) FROM VALUES (1, 'a'), (3, 'b') AS t(x, y)
SELECT upper(k) AS u, count(*) FROM VALUES ('a'), ('A') AS t(k) GROUP BY u
SELECT stddev(x), var_pop(x), stddev_pop(x), variance(x) FROM VALUES (1), (2), (4) AS t(x)
SELECT stddev(x), corr(x, x), covar_samp(x, x) FROM VALUES (1) AS t(x)
-- Windows.
SELECT x, row_number() OVER (ORDER BY x), rank() OVER (ORDER BY x), dense_rank() OVER (ORDER BY x) FROM VALUES (1), (1), (2) AS t(x) ORDER BY 1, 2
SELECT x, sum(x) OVER (ORDER BY x), sum(x) OVER (), avg(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM VALUES (1), (2), (3) AS t(x) ORDER BY x
SELECT x, lag(x) OVER (ORDER BY x), lead(x, 1, 0) OVER (ORDER BY x), first_value(x) OVER (ORDER BY x), last_value(x) OVER (ORDER BY x) FROM VALUES (1), (2) AS t(x) ORDER BY x
SELECT k, x, ntile(2) OVER (PARTITION BY k ORDER BY x), percent_rank() OVER (PARTITION BY k ORDER BY x), cume_dist() OVER (PARTITION BY k ORDER BY x) FROM VALUES ('a', 1), ('a', 2), ('a', 3), ('b', 1) AS t(k, x) ORDER BY k, x
SELECT x, sum(x) OVER w, count(*) OVER w FROM VALUES (1), (2), (2) AS t(x) WINDOW w AS (ORDER BY x) ORDER BY x
SELECT x, sum(x) OVER (ORDER BY x RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM VALUES (1), (2), (4) AS t(x) ORDER BY x
SELECT x, nth_value(x, 2) OVER (ORDER BY x), lag(x, 1) IGNORE NULLS OVER (ORDER BY x) FROM VALUES (1), (2), (3) AS t(x) ORDER BY x
-- Queries in queries.
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT * FROM a, b
SELECT (SELECT max(x) FROM VALUES (1), (2) AS t(x)) AS m, x FROM VALUES (5) AS u(x)
SELECT x FROM VALUES (1), (2), (3) AS t(x) WHERE x IN (SELECT y FROM VALUES (2), (3) AS u(y)) ORDER BY x
SELECT x FROM VALUES (1), (2) AS t(x) WHERE x NOT IN (SELECT y FROM VALUES (2), (NULL) AS u(y))
SELECT x FROM VALUES (1), (2) AS t(x) WHERE EXISTS (SELECT 1 FROM VALUES (2) AS u(y) WHERE u.y = t.x)
SELECT t.x, (SELECT count(*) FROM VALUES (1), (1), (2) AS u(y) WHERE u.y = t.x) AS n FROM VALUES (1), (2), (3) AS t(x) ORDER BY x
SELECT * FROM VALUES (1), (2) AS t(x) EXCEPT SELECT 2
SELECT * FROM VALUES (1), (1), (2) AS t(x) INTERSECT SELECT 1
SELECT * FROM VALUES (1), (1), (2) AS t(x) EXCEPT ALL SELECT 1 ORDER BY x
SELECT * FROM VALUES (1), (1), (2) AS t(x) INTERSECT ALL SELECT * FROM VALUES (1), (1) AS u(x)
SELECT * FROM VALUES (1, NULL), (1, NULL), (2, 'a') AS t(x, y) EXCEPT ALL SELECT * FROM VALUES (1, NULL) AS u(x, y) ORDER BY x
SELECT * FROM VALUES (1, NULL), (1, NULL), (1, 'a') AS t(x, y) INTERSECT ALL SELECT * FROM VALUES (1, NULL), (1, 'a'), (1, 'a') AS u(x, y) ORDER BY x, y
SELECT * FROM VALUES (1), (1), (1) AS t(x) EXCEPT ALL SELECT 1L EXCEPT ALL SELECT 1
SELECT DISTINCT x % 2 AS r FROM VALUES (1), (2), (3) AS t(x) ORDER BY r
SELECT a.x, b.y FROM VALUES (1), (2) AS a(x) LEFT JOIN VALUES (2, 'b') AS b(x, y) ON a.x = b.x ORDER BY a.x
SELECT x, y, z FROM VALUES (1, 'a') AS a(x, y) FULL OUTER JOIN VALUES (2, 'b') AS b(x, z) USING (x) ORDER BY x
SELECT * FROM VALUES (1, 'a'), (2, 'b') AS a(x, y) RIGHT JOIN VALUES (2, 'c'), (3, 'd') AS b(x, z) USING (x) ORDER BY x
SELECT * FROM VALUES (1, 'a'), (2, 'b') AS a(x, y) FULL JOIN VALUES (2, 'c'), (3, 'd') AS b(x, z) USING (x) ORDER BY x
SELECT x, a.x AS ax, b.x AS bx FROM VALUES (1), (2) AS a(x) FULL JOIN VALUES (2), (3) AS b(x) USING (x) ORDER BY x
SELECT * FROM VALUES (1, 'a') AS a(x, p) FULL JOIN VALUES (2, 'b') AS b(x, q) USING (x) FULL JOIN VALUES (2, 'c'), (3, 'd') AS c(x, r) USING (x) ORDER BY x
SELECT x, count(*) AS n FROM VALUES (1), (2) AS a(x) RIGHT JOIN VALUES (2), (2), (3) AS b(x) USING (x) GROUP BY x ORDER BY x
SELECT x + 1 AS y FROM VALUES (1), (2) AS a(x) FULL JOIN VALUES (2), (3) AS b(x) USING (x) WHERE x > 1 ORDER BY y
SELECT x FROM VALUES (1), (2) AS a(x) LEFT SEMI JOIN VALUES (2) AS b(y) ON a.x = b.y
SELECT x FROM VALUES (1), (2) AS a(x) LEFT ANTI JOIN VALUES (2) AS b(y) ON a.x = b.y
SELECT * FROM VALUES (1, 'a') AS a(x, y) NATURAL JOIN VALUES (1, 'b') AS b(x, z)
SELECT a.x, b.y FROM VALUES (1), (NULL) AS a(x) JOIN VALUES (1), (NULL) AS b(y) ON a.x <=> b.y ORDER BY 1
SELECT x FROM VALUES (1), (2), (3) AS t(x) ORDER BY x LIMIT 1 OFFSET 1
SELECT * EXCEPT (y) FROM VALUES (1, 2, 3) AS t(x, y, z)
-- Texts, names and literals.
SELECT 'a\nb', 'it\'s', "double", 'a' 'b', r'a\nb', 'tab\there'
SELECT '\u0041', 'a\\b', '%' LIKE '\%', 'a_b' LIKE 'a\_b', 'axb' LIKE 'a\_b'
SELECT 'abc' LIKE 'A%', 'abc' ILIKE 'A%', 'abc' RLIKE '^a.c$', 'abc' LIKE ANY ('x%', 'a%'), 'abc' LIKE ALL ('a%', '%c')
SELECT length('äb'), octet_length('äb'), upper('straße'), substring('hello', 2, 3), substring('hello', -3), substr('hello', 0, 2)
SELECT `a b`.x FROM (SELECT 1 AS x) AS `a b`
SELECT X FROM VALUES (1) AS T(x)
SELECT 1Y, 2S, 3L, 4.5BD, 5.5F, 6.5D, 1e3, .5, 1E-2
SELECT INTERVAL '1' DAY = INTERVAL '24' HOUR, INTERVAL 1 day 2 hours > INTERVAL 25 hours
SELECT DATE'2024-01-31' + INTERVAL 1 MONTH, DATE'2024-03-01' - INTERVAL '1' DAY, TIMESTAMP'2024-01-01 00:00:00' + INTERVAL '1 02:03:04' DAY TO SECOND
SELECT DATE'2024-03-01' - DATE'2024-01-01' = INTERVAL '60' DAY, extract(DAY FROM TIMESTAMP'2024-03-01 12:00:00' - TIMESTAMP'2024-01-01 00:00:00')
SELECT DATE'2024-01-01' + 5, DATE'2024-01-10' - 3, date_add(DATE'2024-01-31', 1), datediff(DATE'2024-03-01', DATE'2024-02-01')
SELECT named_struct('a', 1, 'b', named_struct('c', 'x')).b.c, struct(1, 'a').col2, array(1, 2, 3)[1], map('a', 5)['a']
SELECT element_at(array(1, 2), 3)
SELECT array(1, 2)[5]
SELECT map('a', 1)['b']
SELECT transform(array(1, 2, 3), x -> x + 1), filter(array(1, 2, 3), x -> x > 1), aggregate(array(1, 2, 3), 0, (a, x) -> a + x), exists(array(1, 2), x -> x = 2)
SELECT a.b FROM (SELECT named_struct('b', 1) AS a)
