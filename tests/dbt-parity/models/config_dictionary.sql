{{ config({'materialized': 'table', 'tags': ['a']}) }}
SELECT 1 AS id
