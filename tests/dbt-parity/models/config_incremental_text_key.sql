{{
  config(
    materialized='incremental',
    unique_key='id',
    incremental_strategy='delete+insert'
  )
}}
SELECT id FROM {{ ref('work_orders') }}
{%- if is_incremental() %} WHERE day > DATE '{{ var("since") }}'{% endif -%}
