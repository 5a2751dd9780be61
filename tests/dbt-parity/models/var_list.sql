SELECT * FROM {{ ref('work_orders') }} WHERE size IN ({{ var('sizes') | join(', ') }}) AND {{ var('limits').low }} < {{ var('limits')['high'] }}
