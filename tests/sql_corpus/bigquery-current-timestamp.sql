-- construct: CURRENT_TIMESTAMP
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): CURRENT_TIMESTAMP
SELECT CURRENT_TIMESTAMP() AS a
