SELECT * FROM {{ ref('operators', version=2) }}
