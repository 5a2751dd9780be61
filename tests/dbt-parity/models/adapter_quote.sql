SELECT {{ adapter.quote('order') }} AS a
