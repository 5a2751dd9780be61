SELECT {{ nothing }} AS a
