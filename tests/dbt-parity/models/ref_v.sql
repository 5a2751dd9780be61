SELECT * FROM {{ ref('operators', v=1) }}
