-- construct: ROUND and CAST keep every digit
-- dialect: bigquery
-- rows: [[0.4, 1000000001.0, 10000000000000002]]
SELECT ROUND(amount * 0 + 0.44999999999999996, 1) AS a, ROUND(amount * 0 + 1000000000.5) AS b, CAST(amount * 0 + 10000000000000002.0 AS INT64) AS c FROM events WHERE id = 1
