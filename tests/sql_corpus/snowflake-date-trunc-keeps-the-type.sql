-- construct: DATE_TRUNC keeps the type
-- dialect: snowflake
-- rows: [["2024-01-01", "2024-01-31T10:00:00.000000Z"]]
SELECT DATE_TRUNC('month', day) AS a, DATE_TRUNC('hour', at) AS b FROM events WHERE id = 1
