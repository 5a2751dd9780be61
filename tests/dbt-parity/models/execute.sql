SELECT {% if execute %}1{% else %}2{% endif %} AS a
