-- construct: COALESCE of a time and a text
-- dialect: bigquery
-- rows: [[1, "2024-01-31T10:30:00.000000Z", "2024-01-31"], [2, "2024-02-29T23:59:59.500000Z", "2024-02-29"], [3, "2024-03-01T00:00:00.000000Z", "2024-03-01"], [4, "2020-01-01T00:00:00.000000Z", "2020-01-01"]]
SELECT id, COALESCE(at, '2020-01-01') AS a, IFNULL(day, DATE '2020-01-01') AS b FROM events
