SELECT
  {{ dbt.dateadd('day', -7, 'day') }} AS a,
  {{ dbt.dateadd(datepart='month', interval=1, from_date_or_timestamp='day') }} AS b,
  {{ dbt.date_trunc('month', 'day') }} AS c,
  {{ dbt.last_day('day', 'month') }} AS d,
  {{ dbt.current_timestamp() }} AS e,
  {{ dateadd('hour', 3, 'ts') }} AS f
FROM {{ ref('work_orders') }}
