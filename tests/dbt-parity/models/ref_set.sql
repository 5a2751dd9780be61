{% set orders = ref('work_orders') %}
SELECT * FROM {{ orders }} AS o WHERE EXISTS (SELECT 1 FROM {{ orders }})
