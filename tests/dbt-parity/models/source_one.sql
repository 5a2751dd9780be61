SELECT * FROM {{ source('bronze') }}
