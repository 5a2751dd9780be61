{% set parsed = fromyaml('a: [1, 2]') %}
SELECT {{ parsed.a[1] }} AS a
