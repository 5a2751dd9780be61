{% set size = 7 %}
SELECT {% if size < 5 %}'small'{% elif size < 10 and not (size == 6) %}'medium'{% else %}'large'{% endif %} AS size
