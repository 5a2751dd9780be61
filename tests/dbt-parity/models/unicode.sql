SELECT 'Zürich – {{ "ß" | upper }} 日本' AS city
