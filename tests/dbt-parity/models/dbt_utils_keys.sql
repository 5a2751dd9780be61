SELECT {{ dbt_utils.generate_surrogate_key(['a', 'b.c']) }} AS k, {{ dbt_utils.generate_surrogate_key(['a']) }} AS one FROM {{ ref('work_orders') }}
