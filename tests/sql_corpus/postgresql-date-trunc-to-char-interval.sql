-- construct: date_trunc, to_char, + interval
-- dialect: postgresql
-- rows: [["2024-01-01T00:00:00.000000Z", "2024-01", "2024-02-01T10:30:00.000000Z"]]
SELECT date_trunc('month', at) AS a, to_char(at, 'YYYY-MM') AS b, at + interval '1 day' AS c FROM events WHERE id = 1
