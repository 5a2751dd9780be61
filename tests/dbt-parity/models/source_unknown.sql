SELECT * FROM {{ source('platinum', 'x') }}
