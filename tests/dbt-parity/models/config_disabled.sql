{{ config(enabled=false) }}
SELECT 1 AS id
