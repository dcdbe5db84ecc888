-- construct: GENERATE_UUID
-- dialect: bigquery
-- refused (duckdb, postgresql, sqlite): GENERATE_UUID
SELECT GENERATE_UUID() AS a
