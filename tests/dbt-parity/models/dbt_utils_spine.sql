WITH days AS ({{ dbt_utils.date_spine(datepart="day", start_date="DATE '2024-01-01'", end_date="DATE '2024-02-01'") }}),
weeks AS ({{ dbt_utils.date_spine("week", "DATE '2024-01-01'", "DATE '2024-02-01'") }})
SELECT * FROM days CROSS JOIN weeks
