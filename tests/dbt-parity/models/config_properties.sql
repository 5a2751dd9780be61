{{ config(materialized='table', properties={"partitioning": "ARRAY['day(ts)']", "format": "'PARQUET'"}) }}
SELECT 1 AS id
