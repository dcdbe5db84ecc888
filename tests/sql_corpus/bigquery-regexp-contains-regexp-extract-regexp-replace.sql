-- construct: REGEXP_CONTAINS, REGEXP_EXTRACT, REGEXP_REPLACE
-- dialect: bigquery
-- rows: [[true, "12", "Ax"]]
SELECT REGEXP_CONTAINS(name, r'^[A-B]n+$') AS a, REGEXP_EXTRACT('ab-12', r'[a-z]+-(\d+)') AS b, REGEXP_REPLACE(name, r'n+', 'x') AS c FROM events WHERE id = 1
