-- construct: SPLIT
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): SPLIT
SELECT SPLIT(name, 'n') AS a FROM events
