SELECT '{{ run_started_at.strftime("%Y") > "2000" }}' AS a
