{% macro wrapped(name) %}({{ caller() }}) AS {{ name }}{% endmacro %}
SELECT {% call wrapped('x') %}1 + 1{% endcall %}
