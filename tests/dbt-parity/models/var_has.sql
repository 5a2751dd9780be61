SELECT {% if var.has_var('since') %}1{% else %}2{% endif %} AS a, {% if var.has_var('absent') %}1{% else %}2{% endif %} AS b
