-- construct: a guarded division
-- dialect: bigquery
-- rows: [[1, -1.0], [2, null], [3, 1.0], [4, 0.5]]
SELECT id, IF(id = 2, NULL, 1 / (id - 2)) AS a FROM events
