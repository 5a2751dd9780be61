{{ config(tags=['daily']) }}
SELECT '{{ model.name }}' AS n, '{{ model.alias }}' AS a, '{{ model.schema }}' AS s, '{{ model.database }}' AS d, '{{ model.resource_type }}' AS r, '{{ model.unique_id }}' AS u, '{{ model.package_name }}' AS p
