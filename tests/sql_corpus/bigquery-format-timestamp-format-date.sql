-- construct: FORMAT_TIMESTAMP, FORMAT_DATE
-- dialect: bigquery
-- rows: [["2024-01-31 10:30", "202401"]]
SELECT FORMAT_TIMESTAMP('%Y-%m-%d %H:%M', at) AS a, FORMAT_DATE('%Y%m', day) AS b FROM events WHERE id = 1
