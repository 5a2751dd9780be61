SELECT {{ dbt_utils.star(ref('work_orders')) }} FROM {{ ref('work_orders') }}
