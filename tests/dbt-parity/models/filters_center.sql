SELECT '{{ "x" | center(5) }}' AS a
