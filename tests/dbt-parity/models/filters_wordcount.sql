SELECT {{ "a b c" | wordcount }} AS n
