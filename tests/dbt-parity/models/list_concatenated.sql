{% set columns = ['a'] + ['b', 'c'] %}
SELECT {{ columns | join(', ') }}, {{ columns[1:] | join(' + ') }} AS s, {{ columns | length }} AS n, '{{ columns[-1] }}' AS last, {{ 'a' in columns }} AS has
