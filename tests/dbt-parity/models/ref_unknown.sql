SELECT * FROM {{ ref('operator') }}
