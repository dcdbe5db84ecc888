-- construct: LAG, SUM OVER, NULLS order
-- dialect: bigquery
-- rows: [[1, 4, 1], [2, null, 3], [3, 1, 6], [4, 2, 10]]
SELECT id, LAG(id) OVER (ORDER BY qty) AS a, SUM(id) OVER (ORDER BY id) AS b FROM events
