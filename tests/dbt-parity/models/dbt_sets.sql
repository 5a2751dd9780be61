SELECT 1 AS a {{ dbt.except() }} SELECT 2 {{ dbt.intersect() }} SELECT 3
