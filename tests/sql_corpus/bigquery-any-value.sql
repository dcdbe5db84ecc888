-- construct: ANY_VALUE
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): ANY_VALUE
SELECT ANY_VALUE(name) AS a FROM events
