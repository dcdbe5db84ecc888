-- construct: LEFT by a computed length
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): SUBSTR or LEFT with a length that is no plain number
SELECT LEFT(name, qty) AS a FROM events
