-- construct: SAFE_DIVIDE and /
-- dialect: bigquery
-- rows: [[1, null, 1.5], [4, null, -3.5]]
SELECT id, SAFE_DIVIDE(qty, 0) AS a, qty / 2 AS b FROM events WHERE id IN (1, 4)
