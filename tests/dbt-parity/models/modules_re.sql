SELECT '{{ modules.re.sub("[^a-z]", "_", "a-b c") }}' AS name
