SELECT '{{ "7".zfill(3) }}' AS a, '{{ "ab" * 2 }}' AS b, '{{ "a%s" % "b" }}' AS c
