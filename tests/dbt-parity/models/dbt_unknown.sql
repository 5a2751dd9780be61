SELECT {{ dbt.no_such_macro('a') }}
