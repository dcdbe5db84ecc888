-- construct: TRIM, LOWER, UPPER, LENGTH
-- dialect: bigquery
-- rows: [["a", "çelik ", "ÇELIK ", 6]]
SELECT TRIM('\t a ') AS a, LOWER(name) AS b, UPPER(name) AS c, LENGTH(name) AS d FROM events WHERE id = 3
