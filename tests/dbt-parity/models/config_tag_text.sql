{{ config(materialized='view', tags='daily') }}

SELECT 1 AS id
