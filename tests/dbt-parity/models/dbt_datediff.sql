SELECT
  {{ dbt.datediff('a', 'b', 'year') }} AS y,
  {{ dbt.datediff('a', 'b', 'quarter') }} AS q,
  {{ dbt.datediff('a', 'b', 'month') }} AS mo,
  {{ dbt.datediff('a', 'b', 'week') }} AS w,
  {{ dbt.datediff('a', 'b', 'day') }} AS d,
  {{ dbt.datediff('a', 'b', 'hour') }} AS h,
  {{ dbt.datediff('a', 'b', 'minute') }} AS mi,
  {{ dbt.datediff('a', 'b', 'second') }} AS s,
  {{ datediff("a", "b", "millisecond") }} AS ms
FROM {{ ref('work_orders') }}
