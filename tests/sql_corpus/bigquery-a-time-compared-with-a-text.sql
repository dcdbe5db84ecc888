-- construct: a time compared with a text
-- dialect: bigquery
-- rows: [[1], [2]]
SELECT id FROM events WHERE at >= '2024-02-01' AND at < TIMESTAMP '2024-03-01 00:00:00+00' OR day = '2024-01-31'
