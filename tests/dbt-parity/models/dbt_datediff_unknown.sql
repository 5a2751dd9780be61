SELECT {{ dbt.datediff('a', 'b', 'fortnight') }} AS x
