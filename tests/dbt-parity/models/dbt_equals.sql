SELECT {{ dbt.equals('a', 'b') }} AS same
