-- How operators work, from the orders that can be trusted.
WITH orders AS (
    SELECT
        operator_id,
        product_id,
        status,
        quantity,
        start_time,
        duration_hours,
        data_quality_flag = 'VALID' AS is_valid
    FROM iceberg.silver.work_orders
    WHERE operator_id <> 'UNASSIGNED'
),

totals AS (
    SELECT
        operator_id,
        COUNT(CASE WHEN is_valid THEN 1 END) AS total_orders,
        COUNT(CASE WHEN is_valid AND status = 'completed' THEN 1 END) AS completed_orders,
        SUM(CASE WHEN is_valid THEN quantity ELSE 0 END) AS total_units,
        AVG(CASE WHEN is_valid THEN duration_hours END) AS avg_duration_hours,
        MIN(CASE WHEN is_valid THEN duration_hours END) AS min_duration_hours,
        MAX(CASE WHEN is_valid THEN duration_hours END) AS max_duration_hours,
        STDDEV(CASE WHEN is_valid THEN duration_hours END) AS duration_deviation_hours,
        AVG(CASE WHEN is_valid AND duration_hours > 0 THEN quantity / duration_hours END) AS units_per_hour,
        COUNT(DISTINCT CASE WHEN is_valid THEN product_id END) AS distinct_products,
        DATE_DIFF('day', MIN(start_time), MAX(start_time)) AS days_active,
        COUNT(*) AS all_orders
    FROM orders
    GROUP BY operator_id
)

SELECT
    operator_id,
    total_orders,
    completed_orders,
    total_units,
    ROUND(avg_duration_hours, 2) AS avg_duration_hours,
    ROUND(min_duration_hours, 2) AS min_duration_hours,
    ROUND(max_duration_hours, 2) AS max_duration_hours,
    -- 1 when every order takes as long as the next.
    ROUND(1 / (1 + duration_deviation_hours / avg_duration_hours), 3) AS consistency_score,
    ROUND(units_per_hour, 2) AS units_per_hour,
    ROUND(CAST(completed_orders AS DOUBLE) / total_orders, 4) AS completion_rate,
    distinct_products,
    days_active,
    ROUND(CAST(total_orders AS DOUBLE) / all_orders, 4) AS data_quality_score,
    units_per_hour > 75 AND CAST(completed_orders AS DOUBLE) / total_orders > 0.90 AS is_high_performer,
    CURRENT_TIMESTAMP AS feature_timestamp
FROM totals
WHERE total_orders >= 5
ORDER BY operator_id
