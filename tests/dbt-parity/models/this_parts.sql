SELECT '{{ this }}' AS t, '{{ this.database }}' AS d, '{{ this.schema }}' AS s, '{{ this.identifier }}' AS i, '{{ this.name }}' AS n, '{{ this.table }}' AS tt
