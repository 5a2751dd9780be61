SELECT * FROM {{ this.render() }} WHERE '{{ this.include(database=false) }}' <> '{{ this.include(database=false, schema=false) }}' OR {{ this.quote(identifier=false) }}.x = 1
