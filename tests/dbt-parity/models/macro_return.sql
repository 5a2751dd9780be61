{% macro sizes() %}{{ return([1, 2, 3]) }}{% endmacro %}
SELECT {% for size in sizes() %}{{ size }} AS s{{ size }}{{ ", " if not loop.last }}{% endfor %}
