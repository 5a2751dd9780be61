WITH orders AS (SELECT * FROM {{ ref('work_orders') }}), people AS (SELECT * FROM {{ ref("operators") }})
SELECT * FROM orders JOIN people USING (operator_id)
