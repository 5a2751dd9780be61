SELECT {{ dbt.length('a', 'b') }}
