{% set rows = run_query('SELECT 1') %}
SELECT 1 AS id
