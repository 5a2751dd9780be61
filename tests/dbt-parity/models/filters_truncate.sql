SELECT '{{ "long text here" | truncate(8, true, "") }}' AS a
