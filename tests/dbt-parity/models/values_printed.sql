SELECT '{{ true }}' AS a, '{{ none }}' AS b, {{ 1.0 }} AS c, {{ 7 / 2 }} AS d, {{ 7 // 2 }} AS e, {{ 2 ** 8 }} AS f, {{ 7 % 3 }} AS g, {{ -3 }} AS h, {{ 1e3 }} AS i, {{ 10 / 5 }} AS j
