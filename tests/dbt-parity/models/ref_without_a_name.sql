SELECT * FROM {{ ref() }}
