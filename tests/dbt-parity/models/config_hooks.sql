{{ config(pre_hook="SELECT 1", post_hook=["SELECT 2"]) }}
SELECT 1 AS id
