SELECT * FROM {{ ref('asgard', 'operators') }}
