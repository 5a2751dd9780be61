SELECT DATE '{{ var('since') }}' AS since, {{ var("rate") }} AS rate, {{ var('strict') }} AS strict
