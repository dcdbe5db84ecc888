-- construct: JSON_QUERY
-- dialect: bigquery
-- rows: [[1, ["a", "b"]], [2, []]]
SELECT id, JSON_QUERY(payload, '$.tags') AS tags FROM events WHERE id < 3
