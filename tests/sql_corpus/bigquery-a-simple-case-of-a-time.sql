-- construct: a simple CASE of a time
-- dialect: bigquery
-- rows: [[1, "no"], [3, "yes"]]
SELECT id, CASE at WHEN '2024-03-01 00:00:00' THEN 'yes' ELSE 'no' END AS a FROM events WHERE id IN (1, 3)
