SELECT {{ var('limits').absent }} AS a
