SELECT CAST(a AS {{ api.Column.translate_type("string") }}) AS a
