{{ print('compiling') }}SELECT 1 AS id
