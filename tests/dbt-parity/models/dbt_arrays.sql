SELECT {{ dbt.array_construct(['1', '2']) }}, {{ dbt.array_construct() }}, {{ dbt.array_append(dbt.array_construct([1]), 2) }}, {{ dbt.array_concat('a', 'b') }}, {{ array_construct([]) }}
