-- construct: SAFE_CAST of a float
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): SAFE_CAST or TRY_CAST of a float
SELECT SAFE_CAST(amount AS INT64) AS a FROM events
