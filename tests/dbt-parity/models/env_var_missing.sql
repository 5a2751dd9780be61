SELECT '{{ env_var('ASGARD_NOT_SET') }}' AS a
