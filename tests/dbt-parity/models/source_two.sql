SELECT * FROM {{ source('bronze', 'machine_logs') }} AS m JOIN {{ source('silver', 'shifts') }} AS s ON m.shift = s.id
