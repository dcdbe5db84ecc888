-- construct: EXTRACT(DAYOFWEEK)
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): EXTRACT(DAYOFWEEK)
SELECT EXTRACT(DAYOFWEEK FROM day) AS a FROM events
