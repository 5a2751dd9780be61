SELECT {{ dbt_utils.safe_divide('a + 1', 'b') }} AS d, {{ dbt_utils.safe_add(['a', 'b']) }} AS s, {{ dbt_utils.safe_subtract(['a', 'b']) }} AS m, {{ dbt_utils.width_bucket('a', 0, 10, 5) }} AS w,
  {{ dbt_utils.haversine_distance('a', 'b', 'c', 'd') }} AS miles, {{ dbt_utils.haversine_distance('a', 'b', 'c', 'd', unit='km') }} AS km
FROM {{ ref('work_orders') }}
{{ dbt_utils.group_by(3) }}
