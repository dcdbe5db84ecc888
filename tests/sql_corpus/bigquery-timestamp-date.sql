-- construct: TIMESTAMP(), DATE()
-- dialect: bigquery
-- rows: [["2024-01-02T03:04:05.000000Z", "2024-02-29"]]
SELECT TIMESTAMP('2024-01-02 03:04:05') AS a, DATE(at) AS b FROM events WHERE DATE(at) = '2024-02-29'
