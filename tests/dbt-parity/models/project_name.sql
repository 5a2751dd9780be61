SELECT '{{ project_name }}' AS p
