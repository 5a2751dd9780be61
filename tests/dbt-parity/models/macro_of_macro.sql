{% macro quoted(name) -%} "{{ name }}" {%- endmacro %}
{% macro both(a, b) -%} {{ quoted(a) }} || {{ quoted(b) }} {%- endmacro %}
SELECT {{ both('x', 'y') }} AS z
