-- construct: ORDER BY text, LIMIT
-- dialect: bigquery
-- rows: [[2], [3]]
SELECT id FROM events ORDER BY name DESC LIMIT 2
