SELECT '{{ env_var('ASGARD_NOT_SET', 'x') }}' AS a
