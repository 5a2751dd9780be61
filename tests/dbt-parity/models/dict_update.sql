{% set d = {'a': 1} %}
{% do d.update({'b': 2}) %}
SELECT {{ d.a + d.b }} AS s
