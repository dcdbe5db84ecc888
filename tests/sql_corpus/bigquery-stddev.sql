-- construct: STDDEV
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): STDDEV
SELECT STDDEV(amount) AS a FROM events
