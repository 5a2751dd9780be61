SELECT {% if nothing %}1{% else %}2{% endif %} AS a, {% if var('limits').absent %}1{% else %}2{% endif %} AS b
