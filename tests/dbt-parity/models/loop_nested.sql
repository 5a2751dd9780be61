SELECT {% for a in [1, 2] %}{% set outer = loop %}{% for b in ['x', 'y'] %}{{ a }} AS {{ b }}{{ a }}{% if not (outer.last and loop.last) %}, {% endif %}{% endfor %}{% endfor %}
