SELECT {{ set([1, 2, 1]) | list | length }} AS n, {% for x in set(['b', 'a', 'b']) | sort %}'{{ x }}'{{ "," if not loop.last }}{% endfor %}
