//! Spark's aggregates of our own making: over groups, nothing, and nulls.

use asgard_contract::lakehouse::Dialect::Spark;

use super::TestLakehouse;

async fn with_rows() -> TestLakehouse {
    let test = TestLakehouse::new().await;
    let rows = "('a', 1, 10.5), ('a', 2, NULL), ('b', 3, 30.0), ('b', 3, 40.0), ('b', 7, 5.0), (NULL, NULL, 50.0)";
    test.table("silver.t", &format!("SELECT * FROM (VALUES {rows}) AS t (g, n, x)")).await;
    test
}

#[tokio::test]
async fn percentiles_and_modes_are_of_each_group() {
    let test = with_rows().await;
    let cases: [(&str, &[&str]); 9] = [
        (
            "SELECT g, median(n), percentile(n, array(0.25, 1)), percentile_cont(0.5) WITHIN GROUP (ORDER BY n DESC) FROM silver.t GROUP BY g ORDER BY g",
            &["NULL | NULL | NULL | NULL", "a | 1.5 | [1.25, 2.0] | 1.5", "b | 3.0 | [3.0, 7.0] | 3.0"],
        ),
        (
            "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY n) AS a, percentile_disc(0.5) WITHIN GROUP (ORDER BY n DESC) AS b FROM silver.t",
            &["3.0 | 3.0"],
        ),
        ("SELECT percentile(n, 0.5, w) FROM (SELECT n, CASE n WHEN 7 THEN 9 ELSE 1 END AS w FROM silver.t)", &["7.0"]),
        (
            "SELECT approx_percentile(n, 0.5), approx_percentile(n, array(0.0, 0.9), 100), approx_percentile(x, 0.5) FROM silver.t",
            &["3 | [1, 7] | 30.0"],
        ),
        (
            "SELECT g, mode(n), mode() WITHIN GROUP (ORDER BY n DESC) FROM silver.t GROUP BY g ORDER BY g",
            &["NULL | NULL | NULL", "a | 1 | 2", "b | 3 | 3"],
        ),
        ("SELECT median(n), mode(n), percentile(n, array(0.5)) FROM silver.t WHERE n > 99", &["NULL | NULL | NULL"]),
        ("SELECT median(DISTINCT n), median(n) FILTER (WHERE g = 'a') FROM silver.t", &["2.5 | 1.5"]),
        (
            "SELECT n, median(n) OVER (PARTITION BY g) AS m FROM silver.t WHERE g = 'a' ORDER BY n",
            &["1 | 1.5", "2 | 1.5"],
        ),
        ("SELECT g, median(n) AS m FROM silver.t GROUP BY ALL ORDER BY g", &["NULL | NULL", "a | 1.5", "b | 3.0"]),
    ];
    for (sql, expected) in cases {
        assert_eq!(test.rows(Spark, sql).await, expected, "{sql}");
    }
    for (sql, expected) in [
        ("SELECT percentile(n, 1.5) FROM silver.t", "from 0 to 1"),
        ("SELECT percentile(n, x) FROM silver.t", "written out"),
        ("SELECT percentile_cont(n, 0.5) FROM silver.t", "WITHIN GROUP"),
        ("SELECT mode(n, false) FROM silver.t", "left to chance"),
    ] {
        let message = test.wrong(Spark, sql).await;
        assert!(message.contains(expected), "{sql}: {message}");
    }
}

#[tokio::test]
async fn texts_lists_and_firsts_of_a_group_are_spark_s() {
    let test = with_rows().await;
    let cases: [(&str, &[&str]); 6] = [
        (
            "SELECT listagg(g, '-') WITHIN GROUP (ORDER BY n DESC), listagg(DISTINCT g) WITHIN GROUP (ORDER BY g DESC) FROM silver.t",
            &["b-b-b-a-a | ba"],
        ),
        ("SELECT listagg(DISTINCT g, ',') FROM (SELECT * FROM silver.t ORDER BY n)", &["a,b"]),
        ("SELECT string_agg(g) FROM silver.t WHERE g IS NULL", &["NULL"]),
        (
            "SELECT collect_set(n), collect_set(n) FILTER (WHERE n > 99) AS none FROM (SELECT n FROM silver.t ORDER BY n)",
            &["[1, 2, 3, 7] | []"],
        ),
        (
            "SELECT first(x, true), first(x, false), any_value(x, true), last_value(x, true) FROM (VALUES (NULL), (10.5), (NULL)) AS v (x)",
            &["10.5 | NULL | 10.5 | 10.5"],
        ),
        (
            "SELECT g, grouping_id() AS i, sum(n) FROM silver.t WHERE g = 'a' GROUP BY ROLLUP (g) ORDER BY i",
            &["a | 0 | 3", "NULL | 1 | 3"],
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(test.rows(Spark, sql).await, expected, "{sql}");
    }
    assert!(test.wrong(Spark, "SELECT listagg(n) FROM silver.t").await.contains("listagg takes text"));
}

#[tokio::test]
async fn moments_bitmaps_and_sketches_are_merged() {
    let test = with_rows().await;
    let cases: [(&str, &[&str]); 7] = [
        ("SELECT skewness(n), kurtosis(n) FROM silver.t WHERE n > 99", &["NULL | NULL"]),
        ("SELECT skewness(n), kurtosis(n) FROM silver.t WHERE n = 3", &["NULL | NULL"]),
        ("SELECT round(skewness(n), 10), round(kurtosis(n), 10) FROM silver.t", &["1.0013237284 | -0.2954881657"]),
        ("SELECT bitmap_count(bitmap_construct_agg(bitmap_bit_position(n))) FROM silver.t", &["4"]),
        (
            "SELECT bitmap_count(bitmap_or_agg(b)), bitmap_count(bitmap_and_agg(b)) FROM (VALUES (X'01'), (X'03'), (NULL)) AS t (b)",
            &["2 | 1"],
        ),
        (
            "SELECT kll_sketch_get_quantile_bigint(s, array(0.0, 0.5, 1.0)), kll_sketch_get_rank_bigint(s, 3), kll_sketch_get_n_bigint(s) FROM (SELECT kll_sketch_agg_bigint(n) AS s FROM silver.t)",
            &["[1, 3, 7] | 0.8 | 5"],
        ),
        (
            "SELECT approx_top_k(n, 2), histogram_numeric(n, 2) FROM silver.t",
            &["[{item: 3, count: 2}, {item: 7, count: 1}] | [{x: 2, y: 4.0}, {x: 7, y: 1.0}]"],
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(test.rows(Spark, sql).await, expected, "{sql}");
    }
    let sql = "SELECT g, hll_sketch_estimate(hll_sketch_agg(n)) AS h, theta_sketch_estimate(theta_sketch_agg(n)) AS t FROM silver.t GROUP BY g ORDER BY g";
    assert_eq!(test.rows(Spark, sql).await, ["NULL | 0 | 0", "a | 2 | 2", "b | 2 | 2"]);
    for (sql, expected) in [
        ("SELECT approx_top_k_accumulate(n) AS s FROM silver.t", "the column `s` is a variant or the state"),
        ("SELECT bitmap_construct_agg(n - 9) FROM silver.t", "positions 0 to 32767"),
        ("SELECT hll_sketch_agg(n, 3) FROM silver.t", "from 4 to 21"),
        ("SELECT hll_sketch_estimate(x'00')", "cannot be used"),
        ("SELECT histogram_numeric(n, 1) FROM silver.t", "2 bins or more"),
    ] {
        let message = test.wrong(Spark, sql).await;
        assert!(message.contains(expected), "{sql}: {message}");
    }
}

#[tokio::test]
async fn many_rows_on_several_threads_come_to_what_one_thread_comes_to() {
    let test = TestLakehouse::new().await;
    let digits = "(VALUES 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)";
    let sql = format!(
        "SELECT a.d * 1000 + b.d * 100 + c.d * 10 + e.d AS n FROM {digits} AS a (d), {digits} AS b (d), {digits} AS c (d), {digits} AS e (d)"
    );
    test.table("silver.many", &sql).await;
    let sql = "SELECT median(n), percentile_disc(0.25) WITHIN GROUP (ORDER BY n), approx_percentile(n, 0.9), mode(n % 3),
                      round(kurtosis(n), 6), size(collect_set(n % 7)), bitmap_count(bitmap_construct_agg(n)) FROM silver.many";
    assert_eq!(test.rows(Spark, sql).await, ["4999.5 | 2499.0 | 8999 | 0 | -1.2 | 7 | 10000"]);
    let sql = "SELECT abs(hll_sketch_estimate(hll_sketch_agg(n)) - 10000) < 500, abs(theta_sketch_estimate(theta_sketch_agg(n)) - 10000) < 500,
                      kll_sketch_get_n_bigint(kll_sketch_agg_bigint(n)), abs(kll_sketch_get_quantile_bigint(kll_sketch_agg_bigint(n), 0.5) - 5000) < 300 FROM silver.many";
    assert_eq!(test.rows(Spark, sql).await, ["true | true | 10000 | true"]);
    let sql = "SELECT n % 2 AS p, median(n), size(collect_set(n % 10)) FROM silver.many GROUP BY n % 2 ORDER BY p";
    assert_eq!(test.rows(Spark, sql).await, ["0 | 4999.0 | 5", "1 | 5000.0 | 5"]);
}
