SELECT id, {{ dbt_utils.pivot('status', ['open', "it's"]) }}, {{ dbt_utils.pivot('size', ['S', 'M'], agg='max', then_value='n', else_value='null', prefix='size_', quote_identifiers=false) }}
FROM {{ ref('work_orders') }} {{ dbt_utils.group_by(1) }}
