{{ config(meta={'owner': 'quality', 'tier': 1}) }}
SELECT 1 AS id
