SELECT {{ dbt.get_powers_of_two(9) }} AS n
