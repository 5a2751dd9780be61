SELECT '{{ target.name }}' AS n, '{{ target.type }}' AS t, '{{ target.schema }}' AS s, '{{ target.database }}' AS d{% if target.name == 'local' %}, 1 AS here{% endif %}
