{{ config(materialized='table') }}
{{ config(tags=['late']) }}
SELECT 1 AS id
