SELECT {{ '7' | as_number }}, {{ 'true' | as_bool }}, {{ 'x' | as_text }}, {{ 'y' | as_native }}
