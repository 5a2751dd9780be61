{{ config(tier='gold') }}
SELECT '{{ config.require('tier') }}' AS t
