{{ config(materialized='incremental', unique_key='operator_id', incremental_strategy='merge', tags=['kpi']) }}
{%- set kinds = ['setup', 'run'] -%}
WITH orders AS (
    SELECT operator_id, kind, {{ dbt.datediff('started', 'ended', 'day') }} AS days
    FROM {{ ref('work_orders') }}
    {% if is_incremental() -%}
    WHERE ended > (SELECT MAX(updated) FROM {{ this }})
    {%- endif %}
)
SELECT operator_id,
{% for kind in kinds %}
    SUM(CASE WHEN kind = '{{ kind }}' THEN days END) AS {{ kind }}_days,
{% endfor %}
    {{ dbt.current_timestamp() }} AS updated
FROM orders
GROUP BY {{ range(1, 2) | join(', ') }}
