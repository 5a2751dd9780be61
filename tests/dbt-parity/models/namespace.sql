{% set ns = namespace(found=false, n=0) %}
{% for x in [1, 2, 3] %}{% if x == 2 %}{% set ns.found = true %}{% endif %}{% set ns.n = ns.n + x %}{% endfor %}
SELECT {{ ns.n }} AS n, {% if ns.found %}1{% else %}0{% endif %} AS found
