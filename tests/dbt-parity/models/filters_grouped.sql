{% set columns = [{'t': 'a', 'c': 'x'}, {'t': 'b', 'c': 'y'}, {'t': 'a', 'c': 'z'}] %}
SELECT {% for table, group in columns | groupby('t') %}'{{ table }}: {{ group | map(attribute="c") | join("+") }}'{{ ", " if not loop.last }}{% endfor %}
