-- construct: a dot is no line's end
-- dialect: bigquery
-- rows: [[0, 1, 1]]
SELECT REGEXP_CONTAINS('a\nb', r'^a.b$') AS a, REGEXP_CONTAINS('a.b', r'a[.]b') AS b, REGEXP_CONTAINS('a\nb', r'a[^.]b') AS c
