-- construct: DIV, MOD
-- dialect: bigquery
-- rows: [[1, 1], [-3, -1]]
SELECT DIV(qty, 2) AS a, MOD(qty, 2) AS b FROM events WHERE id IN (1, 4)
