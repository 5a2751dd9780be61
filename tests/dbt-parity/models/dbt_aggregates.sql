SELECT {{ dbt.any_value('a') }}, {{ dbt.bool_or('a > 1') }}, {{ dbt.listagg('a') }}, {{ dbt.listagg('a', "'; '", 'order by a', 3) }}, {{ dbt.listagg(measure='b', delimiter_text="'|'", order_by_clause='order by c') }}
FROM {{ ref('work_orders') }}
