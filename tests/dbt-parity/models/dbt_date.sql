SELECT {{ dbt.date(2024, 1, 31) }} AS d
