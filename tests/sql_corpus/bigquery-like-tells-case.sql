-- construct: LIKE tells case
-- dialect: bigquery
-- rows: [[2]]
SELECT id FROM events WHERE name LIKE 'a%' OR name LIKE '%o_'
