{{ config(materialized='table', persist_docs={"relation": true, "columns": true}, grants={'select': ['a']}) }}
SELECT 1 AS id
