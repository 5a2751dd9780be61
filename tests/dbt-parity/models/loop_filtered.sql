SELECT {% for x in range(10) if x % 3 == 0 %}{{ x }}{{ "," if not loop.last }} {% endfor %}
