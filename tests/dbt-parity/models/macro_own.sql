{% macro cents(column, scale=2) %}CAST({{ column }} * 100 AS DECIMAL(18, {{ scale }})){% endmacro %}
SELECT {{ cents('price') }} AS a, {{ cents('price', 4) }} AS b, {{ cents(column='cost', scale=0) }} AS c
