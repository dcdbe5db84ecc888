-- construct: GREATEST, LEAST are null with a null
-- dialect: bigquery
-- rows: [[1, 5, 3], [2, null, null], [3, 7, 5], [4, 5, -7]]
SELECT id, GREATEST(qty, 5) AS a, LEAST(qty, 5) AS b FROM events
