SELECT {{ var('absent') }} AS a
