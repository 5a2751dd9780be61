SELECT
    {% set a = 1 -%}
    {{- a }}
    {#- a comment -#}
    , 2 AS b
    {%+ if true %}
    , 3 AS c
    {%+ endif %}
FROM {{ ref('work_orders') -}}
    -- no space
