{% do log('compiling', info=true) %}{% do config(materialized='table') %}
SELECT 1 AS id{{ log('x') }}
