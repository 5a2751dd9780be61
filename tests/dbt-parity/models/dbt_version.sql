SELECT '{{ dbt_version[0] }}' AS v
