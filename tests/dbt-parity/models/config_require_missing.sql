SELECT '{{ config.require('tier') }}' AS t
