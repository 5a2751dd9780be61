SELECT '${{ 5 }}' AS price, '{ {x} }' AS braces, '%' AS percent
