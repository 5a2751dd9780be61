SELECT '{% raw %}{{ not_rendered }} {% if %}{% endraw %}' AS text, '{{ "{{" }}' AS braces
