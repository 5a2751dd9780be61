SELECT {% if true %} 1
