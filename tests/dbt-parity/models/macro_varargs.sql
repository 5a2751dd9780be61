{% macro all() %}{{ varargs | join(' + ') }}{% endmacro %}
SELECT {{ all('a', 'b', 'c') }} AS s
