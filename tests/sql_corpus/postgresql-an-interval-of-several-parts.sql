-- construct: an interval of several parts
-- dialect: postgresql
-- rows: [["2024-02-01T12:30:00.000000Z"]]
-- refused (duckdb, sqlite): an INTERVAL other than a whole number of one unit
SELECT at + interval '1 day 2 hours' AS a FROM events WHERE id = 1
