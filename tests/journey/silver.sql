-- Work orders that can be trusted: one row for each order that has a number.
SELECT
    UPPER(TRIM(work_order_id)) AS work_order_id,
    UPPER(TRIM(product_id)) AS product_id,
    COALESCE(NULLIF(UPPER(TRIM(operator_id)), ''), 'UNASSIGNED') AS operator_id,
    UPPER(TRIM(machine_id)) AS machine_id,
    REPLACE(LOWER(TRIM(status)), ' ', '_') AS status,
    priority,
    GREATEST(COALESCE(quantity, 0), 0) AS quantity,
    unit_cost,
    start_time,
    end_time,
    due_date,
    is_rush,
    CASE
        WHEN end_time >= start_time
            THEN CAST(unix_seconds(end_time) - unix_seconds(start_time) AS DOUBLE) / 3600
    END AS duration_hours,
    CASE
        WHEN quantity IS NULL OR quantity <= 0 THEN 'INVALID'
        WHEN product_id IS NULL OR TRIM(product_id) = '' THEN 'INVALID'
        WHEN end_time < start_time THEN 'INVALID'
        WHEN end_time IS NULL AND LOWER(TRIM(status)) = 'completed' THEN 'INVALID'
        ELSE 'VALID'
    END AS data_quality_flag,
    CURRENT_TIMESTAMP() AS processed_at,
    'work_orders_v1' AS rule_version
FROM source_data
WHERE TRIM(work_order_id) <> ''
