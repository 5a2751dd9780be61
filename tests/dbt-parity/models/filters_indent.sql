SELECT {{ "a,\nb,\nc" | indent(4) }}, {{ "d\ne" | indent(2, true) }}
