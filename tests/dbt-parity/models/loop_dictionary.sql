{% set names = {'a': 1, 'b': 2} %}
SELECT {% for key, value in names.items() %}{{ value }} AS {{ key }}{{ ", " if not loop.last }}{% endfor %}, '{{ names.keys() | list | join("-") }}' AS k, {{ names.get('c', 3) }} AS c
