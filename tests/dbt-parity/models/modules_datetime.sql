SELECT DATE '{{ modules.datetime.date(2024, 1, 31).strftime("%Y-%m-%d") }}' AS d
