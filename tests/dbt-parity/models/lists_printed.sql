SELECT * FROM {{ ref('work_orders') }} WHERE status IN {{ ('open', 'done') }} AND {{ [1, 2.5, 'it'] }} IS NOT NULL AND {{ {'a': 1, 'b': [true, none]} }} IS NULL
