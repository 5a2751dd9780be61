{{ config(alias='config_alias_schema', schema='gold') }}
SELECT 1 AS id
