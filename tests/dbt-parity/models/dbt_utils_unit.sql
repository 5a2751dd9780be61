SELECT {{ dbt_utils.haversine_distance('a', 'b', 'c', 'd', 'm') }} AS d
