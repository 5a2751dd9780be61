{% set columns = [] %}
{% for x in ['a', 'b'] %}{% do columns.append(x ~ '_id') %}{% endfor %}
SELECT {{ columns | join(', ') }}
