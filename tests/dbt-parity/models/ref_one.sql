SELECT * FROM {{ ref('work_orders') }}
