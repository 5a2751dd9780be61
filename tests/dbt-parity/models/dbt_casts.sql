SELECT {{ dbt.safe_cast('a', dbt.type_int()) }}, {{ dbt.cast('a', 'double') }}, {{ dbt.safe_cast(field="b", type="date") }}
