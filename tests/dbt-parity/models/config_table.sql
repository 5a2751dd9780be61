{{ config(materialized='table', tags=['daily', 'kpi'], description='Totals') }}
SELECT 1 AS id
