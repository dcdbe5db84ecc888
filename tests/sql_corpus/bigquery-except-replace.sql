-- construct: * EXCEPT, * REPLACE
-- dialect: bigquery
-- rows: [[1, 10.5, 4], [2, 20.0, null]]
SELECT * EXCEPT (payload, at, day, active, name) REPLACE (qty + 1 AS qty) FROM events WHERE id < 3
