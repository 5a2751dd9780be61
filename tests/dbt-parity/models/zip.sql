SELECT {% for name, kind in zip(['a', 'b'], ['INTEGER', 'DOUBLE']) %}CAST({{ name }} AS {{ kind }}) AS {{ name }}{{ ", " if not loop.last }}{% endfor %}
