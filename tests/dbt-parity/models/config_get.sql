{{ config(materialized='table', tier='gold') }}
SELECT '{{ config.get('materialized') }}' AS m, '{{ config.get("tier") }}' AS t, {{ config.get('missing', 7) }} AS x, {{ config.get('missing', default=8) }} AS y
