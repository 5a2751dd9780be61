{{ config(materialized='incremental', unique_key=['id', 'day'], incremental_strategy='merge', on_schema_change='append_new_columns') }}
SELECT id, day FROM {{ ref('work_orders') }}
{% if is_incremental() %}
WHERE day > (SELECT MAX(day) FROM {{ this }})
{% endif %}
