//! Statements of the journey: bronze rows as they come, cleaned by Spark SQL, profiled by Trino's.

use asgard_contract::TableName;
use asgard_contract::lakehouse::{Dialect, Input, WriteMode};

use super::{TestLakehouse, with_input, write};

const BRONZE: &str = "
    SELECT * FROM (VALUES
        ('  wo-1 ', 'op-a', ' gadget', 'COMPLETED', 100, TIMESTAMP '2024-05-01 08:00:00', TIMESTAMP '2024-05-01 12:00:00'),
        ('wo-2',    'op-a', 'gadget',  'completed', 300, TIMESTAMP '2024-05-02 08:00:00', TIMESTAMP '2024-05-02 12:00:00'),
        ('wo-3',    'op-a', 'widget',  'Failed',    200, TIMESTAMP '2024-05-03 08:00:00', TIMESTAMP '2024-05-03 16:00:00'),
        ('wo-4',    'op-b', 'widget',  'completed', -5,  TIMESTAMP '2024-05-04 08:00:00', TIMESTAMP '2024-05-04 09:00:00'),
        ('wo-5',    '   ',  'widget',  'completed', 10,  TIMESTAMP '2024-05-05 08:00:00', NULL),
        (NULL,      'op-b', 'widget',  'completed', 10,  TIMESTAMP '2024-05-06 08:00:00', TIMESTAMP '2024-05-06 09:30:00'),
        ('   ',     'op-b', 'widget',  'completed', 10,  TIMESTAMP '2024-05-06 08:00:00', TIMESTAMP '2024-05-06 09:30:00')
    ) AS t (work_order_id, operator_id, product, status, quantity, started_at, finished_at)";

const SILVER: &str = "
    -- Rows without an id are of no use.
    CREATE OR REPLACE TEMPORARY VIEW identified AS
    SELECT * FROM source_data WHERE work_order_id IS NOT NULL AND TRIM(work_order_id) <> '';

    SELECT
        UPPER(TRIM(work_order_id)) AS work_order_id,
        UPPER(TRIM(product)) AS product,
        LOWER(TRIM(status)) AS status,
        CASE WHEN quantity < 0 THEN 0 ELSE quantity END AS quantity,
        CASE WHEN operator_id IS NULL OR TRIM(operator_id) = '' THEN 'UNASSIGNED' ELSE UPPER(TRIM(operator_id)) END
            AS operator_id,
        CAST(started_at AS TIMESTAMP) AS started_at,
        ROUND((unix_timestamp(finished_at) - unix_timestamp(started_at)) / 3600, 2) AS duration_hours,
        CASE WHEN quantity >= 0 AND finished_at IS NOT NULL THEN 'VALID' ELSE 'INVALID' END AS quality_flag,
        current_timestamp() AS processed_at,
        1 AS rule_version
    FROM identified";

const GOLD: &str = "
    WITH valid AS (SELECT * FROM iceberg.silver.work_orders WHERE quality_flag = 'VALID')
    SELECT
        operator_id,
        COUNT(*) AS total_orders,
        COUNT_IF(status = 'completed') AS completed_orders,
        SUM(quantity) AS total_units,
        AVG(duration_hours) AS avg_duration_hours,
        MIN(duration_hours) AS min_duration_hours,
        MAX(duration_hours) AS max_duration_hours,
        1 / (1 + COALESCE(STDDEV(duration_hours), 0)) AS consistency,
        SUM(quantity) / NULLIF(SUM(duration_hours), 0) AS units_per_hour,
        CAST(COUNT(*) FILTER (WHERE status = 'completed') AS DOUBLE) / COUNT(*) AS completion_rate,
        COUNT(DISTINCT product) AS distinct_products,
        SUM(quantity) / NULLIF(SUM(duration_hours), 0) > 75
            AND CAST(COUNT_IF(status = 'completed') AS DOUBLE) / COUNT(*) > 0.90 AS is_high_performer,
        DATEDIFF('day', MIN(started_at), MAX(started_at)) AS active_days,
        CURRENT_TIMESTAMP AS feature_timestamp
    FROM valid
    GROUP BY operator_id
    HAVING COUNT(*) >= 3";

#[tokio::test]
async fn bronze_rows_become_silver_and_gold_ones() {
    let test = TestLakehouse::new().await;
    test.table("bronze.work_orders", BRONZE).await;

    let input = Input::Table(TableName::new("bronze", "work_orders"));
    let silver = with_input(Dialect::Spark, SILVER, "source_data", input);
    let written = test.run_with("silver", silver, write("silver.work_orders", WriteMode::Replace, &[])).await.unwrap();
    assert_eq!((written.rows, written.total_rows, written.rows_read), (5, 5, 7));
    assert!(written.bytes > 0 && written.bytes_read > 0 && written.snapshot.is_some());
    assert_eq!(
        test.rows(
            Dialect::Trino,
            "SELECT work_order_id, product, status, quantity, operator_id, duration_hours, quality_flag, rule_version
             FROM silver.work_orders ORDER BY work_order_id"
        )
        .await,
        [
            "WO-1 | GADGET | completed | 100 | OP-A | 4.0 | VALID | 1",
            "WO-2 | GADGET | completed | 300 | OP-A | 4.0 | VALID | 1",
            "WO-3 | WIDGET | failed | 200 | OP-A | 8.0 | VALID | 1",
            "WO-4 | WIDGET | completed | 0 | OP-B | 1.0 | INVALID | 1",
            "WO-5 | WIDGET | completed | 10 | UNASSIGNED | NULL | INVALID | 1",
        ]
    );
    let columns = test.types(Dialect::Trino, "SELECT * FROM silver.work_orders").await;
    assert_eq!(
        columns[3..],
        [
            "quantity int",
            "operator_id string",
            "started_at timestamptz",
            "duration_hours double",
            "quality_flag string",
            "processed_at timestamptz",
            "rule_version int",
        ]
    );

    let written =
        test.run(Dialect::Trino, GOLD, write("gold.operator_efficiency", WriteMode::Replace, &[])).await.unwrap();
    assert_eq!((written.rows, written.total_rows), (1, 1));
    assert_eq!(
        test.rows(
            Dialect::Trino,
            "SELECT operator_id, total_orders, completed_orders, total_units, min_duration_hours, max_duration_hours,
                round(avg_duration_hours, 3), round(consistency, 3), units_per_hour, round(completion_rate, 3),
                distinct_products, is_high_performer, active_days
             FROM gold.operator_efficiency"
        )
        .await,
        ["OP-A | 3 | 2 | 600 | 4.0 | 8.0 | 5.333 | 0.302 | 37.5 | 0.667 | 2 | false | 2"]
    );
}

#[tokio::test]
async fn a_plan_tells_columns_and_tables_and_runs_nothing() {
    let test = TestLakehouse::new().await;
    test.table("bronze.work_orders", BRONZE).await;
    let input = Input::Table(TableName::new("bronze", "work_orders"));
    let plan = asgard_capabilities::lakehouse::Engine::plan(
        &*test.lakehouse,
        &with_input(Dialect::Spark, SILVER, "source_data", input),
    )
    .await
    .unwrap();
    assert_eq!(plan.tables, [TableName::new("bronze", "work_orders")]);
    assert_eq!(plan.columns.len(), 10);
    assert_eq!((plan.columns[6].name.as_str(), plan.columns[6].data_type.as_str()), ("duration_hours", "double"));
}

#[tokio::test]
async fn names_keep_their_case_in_spark_and_lose_it_in_trino() {
    let test = TestLakehouse::new().await;
    test.table("bronze.a", "SELECT 1 AS id, 2 AS other").await;
    let sql = "SELECT Id, OTHER AS `Total Units`, count(*) OVER () FROM bronze.A";
    assert_eq!(test.types(Dialect::Spark, sql).await[..2], ["Id int", "Total Units int"]);
    let output = write("silver.b", WriteMode::Replace, &[]);
    test.run(Dialect::Spark, "SELECT Id, OTHER AS `Total Units` FROM bronze.A", output).await.unwrap();
    assert_eq!(test.types(Dialect::Spark, "SELECT * FROM silver.b").await, ["Id int", "Total Units int"]);
    assert_eq!(test.types(Dialect::Trino, "SELECT * FROM silver.B").await, ["id int", "total units int"]);
    assert_eq!(test.value(Dialect::Trino, "SELECT \"Total Units\" + ID FROM silver.b").await, "3");
}

#[tokio::test]
async fn arithmetic_on_an_aggregate_of_matching_rows_is_of_those_rows_or_null() {
    let test = TestLakehouse::new().await;
    for dialect in [Dialect::Spark, Dialect::Trino] {
        let rows = "(SELECT 1 AS k, 1.5 AS v UNION ALL SELECT 1, 2.5 UNION ALL SELECT 2, 3.5)";
        let sql = format!(
            "SELECT a.k, (SELECT 0.5 * avg(b.v) FROM {rows} AS b WHERE b.k = a.k) FROM (SELECT 1 AS k UNION ALL SELECT 3) AS a ORDER BY 1"
        );
        let found = test.rows(dialect, &sql).await;
        assert!(found[0].starts_with("1 | 1.0") && found[1].starts_with("3 |") && !found[1].contains('.'), "{found:?}");
    }
}
