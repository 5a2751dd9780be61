{# {{ ref('nowhere') }} #}
SELECT 1 AS id -- {{ "a line" }}
/* {{ 'a block' }} */
