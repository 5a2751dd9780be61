{% do exceptions.warn("old model") %}SELECT 1 AS id
