-- construct: CAST of booleans
-- dialect: bigquery
-- rows: [[1, "true", 1], [2, "false", 0], [3, null, null], [4, "true", 1]]
SELECT id, CAST(active AS STRING) AS a, CAST(active AS INT64) AS b FROM events
