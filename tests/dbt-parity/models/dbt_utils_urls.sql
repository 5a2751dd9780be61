SELECT {{ dbt_utils.get_url_parameter('page', 'utm') }} AS p, {{ dbt_utils.get_url_host('page') }} AS h
