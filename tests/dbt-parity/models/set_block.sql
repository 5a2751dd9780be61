{% set condition %}status = 'open' AND day > DATE '{{ var('since') }}'{% endset %}
SELECT * FROM {{ ref('work_orders') }} WHERE {{ condition }}
