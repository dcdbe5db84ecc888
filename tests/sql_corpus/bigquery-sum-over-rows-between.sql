-- construct: SUM OVER ROWS BETWEEN
-- dialect: bigquery
-- rows: [[1, 3], [2, 3], [3, 7], [4, 0]]
SELECT id, SUM(qty) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS a FROM events
