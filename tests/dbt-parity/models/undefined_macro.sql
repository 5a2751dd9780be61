SELECT {{ cents('price') }} AS a
