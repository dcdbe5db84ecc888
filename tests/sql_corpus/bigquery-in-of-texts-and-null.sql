-- construct: IN of texts and NULL
-- dialect: bigquery
-- rows: [[1]]
SELECT id FROM events WHERE name IN ('Ann', NULL)
