-- construct: CAST of a FLOAT64 to STRING
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): a float as text
SELECT CAST(amount AS STRING) AS a FROM events
