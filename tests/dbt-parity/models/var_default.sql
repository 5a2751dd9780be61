SELECT {{ var('absent', 42) }} AS a, '{{ var('absent', default='x') }}' AS b, {{ var('absent', none) is none }} AS c
