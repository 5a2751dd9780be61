{% set statuses = ['open', 'done'] %}
SELECT
  {% for status in statuses %}
  SUM(CASE WHEN status = '{{ status }}' THEN 1 ELSE 0 END) AS {{ status }}_orders
  {%- if not loop.last %},{% endif %}
  {% endfor %}
FROM {{ ref('work_orders') }}
