{% set parsed = fromjson('{"a": [1, 2], "b": "x"}') %}
SELECT {{ parsed.a[1] }} AS a, '{{ tojson({"k": [1, "x", none, true]}) }}' AS b, '{{ fromjson("not json", "fallback") }}' AS c, '{{ {"z": 1} | tojson }}' AS d
